"""The consumer of members' events and profiles: supervised, so that it cannot end in silence.

One round of its life is a *session*: join the group, read, have lanes apply, commit. Whatever ends
a session that a broker can be blamed for, another begins; an error of our own is tried again a few
times, and then the consumer has ended and says so. Decisions:

1. Offsets are committed after the write, so a message is applied at least once, and effectively
   once since stores know event ids.
2. aiokafka has no cooperative rebalancing: each one takes all partitions from all consumers. So
   what is in flight is finished and committed first, for at most `REVOKED_S`.
3. Records that aiokafka hands out belong to the assignment of that moment, since it holds its
   readers back during a rebalance; `getmany` is awaited directly so that this stays true.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Literal, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from streaming.applier import Applier
from streaming.broker import Broker
from streaming.dead_letters import Tally
from streaming.lane import Lane
from streaming.producer import Producer
from streaming.supervision import supervise, why
from streaming.topics import EVENTS, PROFILES, Topic

State = Literal["ok", "joining", "away", "ended"]
POLL_MS: Final = 200
COMMIT_S: Final = 0.1
# A rebalance waits for what is in flight, less than a session so that nobody is thrown out for it.
REVOKED_S: Final = 3.0
CLOSE_S: Final = 2.0
# Sessions in a row that end for a reason of our own, before the consumer has ended.
TRIES: Final = 5
AGAIN_S: Final = 0.5
_MOST_RECORDS: Final = 1_000


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """An async context manager; reads in the background from when it is entered."""

    def __init__(
        self,
        broker: Broker,
        applier: Applier,
        producer: Producer,
        log: FilteringBoundLogger,
        *,
        topics: Iterable[Topic] = (EVENTS, PROFILES),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tally = Tally()
        self._broker = broker
        self._applier = applier
        self._producer = producer
        self._log = log
        self._topics = [topic.name for topic in topics]
        self._clock = clock
        self._client: AIOKafkaConsumer | None = None
        self._joined = False
        self._lanes: dict[TopicPartition, Lane] = {}
        self._workers: dict[TopicPartition, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._closing = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        consuming = supervise(
            self._session, self._producer, self._closing, self._log, tries=TRIES, again_s=AGAIN_S
        )
        self._supervisor = asyncio.create_task(consuming, name="kafka-consumer")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Finish what is in flight, commit and leave the group; within seconds in any case."""
        assert self._supervisor is not None
        self._closing.set()
        if self._joined and self._producer.up:
            await asyncio.wait([self._supervisor], timeout=CLOSE_S)
        self._supervisor.cancel()
        await asyncio.wait([self._supervisor])
        if self._ending and self._producer.up:
            await asyncio.wait(self._ending, timeout=CLOSE_S)

    @property
    def alive(self) -> bool:
        """Whether it reads, or will again once the broker is back."""
        return self._supervisor is not None and not self._supervisor.done()

    @property
    def state(self) -> State:
        """How it is, for people and probes."""
        if not self.alive:
            return "ended"
        if not self._producer.up:
            return "away"
        return "ok" if self._joined else "joining"

    @property
    def partitions(self) -> frozenset[tuple[str, int]]:
        """What it reads, by topic and partition."""
        held = () if self._client is None else self._client.assignment()
        return frozenset((place.topic, place.partition) for place in held)

    @property
    def lag(self) -> dict[str, int]:
        """Messages of each topic that are written and not yet applied, in its partitions."""
        lag = dict.fromkeys(self._topics, 0)
        for place, lane in self._lanes.items():
            end = None if self._client is None else self._client.highwater(place)
            if end is not None and lane.books.position is not None:
                lag[place.topic] += max(0, end - lane.books.position)
        return lag

    @property
    def age_s(self) -> float:
        """How long ago the oldest message was written that is read and not yet applied; else 0."""
        oldest = [lane.oldest for lane in self._lanes.values() if lane.oldest is not None]
        return max(0.0, self._clock() - min(oldest)) if oldest else 0.0

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Finish and commit what is in flight; aiokafka waits for it before it rejoins."""
        if self._lanes:
            self._log.info("partitions are taken away", partitions=len(revoked))
        self._joined = False
        await self._settle()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Lanes begin with the first message."""
        self._joined = True
        self._log.info("partitions assigned", partitions=len(assigned))

    async def _session(self) -> None:
        client = AIOKafkaConsumer(
            **self._broker.options(),
            group_id=self._broker.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        client.subscribe(self._topics, listener=self)
        self._client = client
        try:
            await client.start()
            async with asyncio.TaskGroup() as self._group:
                committer = self._group.create_task(self._commit_now_and_then())
                await self._read(client)
                await self._settle()
                committer.cancel()
        finally:
            self._joined, self._group, self._client = False, None, None
            self._lanes.clear()
            self._workers.clear()
            await self._stop(client)

    async def _read(self, client: AIOKafkaConsumer) -> None:
        assert self._group is not None
        while not self._closing.is_set():
            records = await client.getmany(timeout_ms=POLL_MS, max_records=_MOST_RECORDS)
            for place, taken in records.items():
                self._lane(self._group, place).take(taken)
            self._flow(client)

    def _lane(self, group: asyncio.TaskGroup, place: TopicPartition) -> Lane:
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(
                place.topic, place.partition, self._applier, self._producer, self.tally, self._log
            )
            self._workers[place] = group.create_task(lane.work())
        return lane

    def _flow(self, client: AIOKafkaConsumer) -> None:
        """Pause partitions whose lanes are full or stuck, resume those that are neither."""
        for place, lane in self._lanes.items():
            flow = lane.books.flow()
            if flow is not None:
                (client.pause if flow == "pause" else client.resume)(place)

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._commit()

    async def _commit(self) -> None:
        """Commit what is finished. Where that fails it is repeated by whoever reads next."""
        if self._client is None or not self._producer.up:
            return
        positions = {
            place: lane.books.committable
            for place, lane in self._lanes.items()
            if lane.books.committable is not None
        }
        if not positions:
            return
        try:
            async with asyncio.timeout(REVOKED_S):
                await self._client.commit(positions)
        except (KafkaError, TimeoutError) as error:
            self._log.warning("offsets are not committed", why=why(error))
            return
        for place, position in positions.items():
            if place in self._lanes:
                self._lanes[place].books.committed(position)

    async def _settle(self) -> None:
        """Wait for the lanes as long as may be, commit, and end them."""
        if self._lanes:
            with suppress(TimeoutError):
                async with asyncio.timeout(REVOKED_S):
                    for lane in list(self._lanes.values()):
                        await lane.until_idle()
            await self._commit()
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers)
        self._lanes.clear()
        self._workers.clear()

    async def _stop(self, client: AIOKafkaConsumer) -> None:
        """Leave the group; what takes long ends in the background."""
        ending = asyncio.create_task(client.stop())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.wait([ending], timeout=CLOSE_S if self._producer.up else 0)
