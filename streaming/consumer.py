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
4. An offset is worth something only for the store that the messages before it were applied to. So
   it is committed with that store's epoch, and whoever is assigned a partition whose epoch is not
   the store's reads it again from the beginning. That holds for a replica that was away while the
   store was emptied, and for one that takes over another's partitions.
5. Lanes are for partitions that stock was taken of, in this assignment, so that what is in flight
   is always of the epoch that it is committed with. What was read before is put back.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from streaming.applier import Applier
from streaming.broker import Broker
from streaming.dead_letters import Tally
from streaming.growth import Growth
from streaming.lanes import Lanes
from streaming.leaving import leave
from streaming.producer import Producer
from streaming.sessions import CLOSE_S, MOST_RECORDS, POLL_MS, Sessions, State
from streaming.starting import start
from streaming.stock import Place, Stock
from streaming.stock_taking import Epoch, take_stock
from streaming.supervision import why
from streaming.topics import EVENTS, PROFILES, Topic

COMMIT_S: Final = 0.1
# A rebalance waits for what is in flight, less than a session so that nobody is thrown out for it.
REVOKED_S: Final = 3.0


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """An async context manager; reads in the background from when it is entered."""

    def __init__(
        self,
        broker: Broker,
        applier: Applier,
        producer: Producer,
        log: FilteringBoundLogger,
        *,
        epoch: Epoch,
        topics: Iterable[Topic] = (EVENTS, PROFILES),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tally = Tally()
        self._broker = broker
        self._producer = producer
        self._log = log
        self._topics = [topic.name for topic in topics]
        self._epoch = epoch
        self._clock = clock
        self._client: AIOKafkaConsumer | None = None
        self._group: asyncio.TaskGroup | None = None
        self._lanes = Lanes(applier, producer, self.tally, log)
        self._stock = Stock()
        self._growth = Growth()
        self._sessions = Sessions(
            self._session, producer, log, name="kafka-consumer", last_s=2 * CLOSE_S
        )
        self._ending: set[asyncio.Task[bool]] = set()

    async def __aenter__(self) -> Self:
        await self._sessions.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Finish what is in flight, commit and leave the group; within seconds in any case."""
        await self._sessions.__aexit__(*failure)
        if self._ending:
            await asyncio.wait(self._ending, timeout=2 * CLOSE_S)

    @property
    def state(self) -> State:
        """How it is, for people and probes."""
        return self._sessions.state

    @property
    def partitions(self) -> frozenset[Place]:
        """What it reads, by topic and partition."""
        return frozenset() if self._client is None else frozenset(self._client.assignment())

    @property
    def every_partition(self) -> frozenset[Place]:
        """All partitions of its topics, whoever reads them; none while that is unknown."""
        if self._client is None:
            return frozenset()
        known = {topic: self._client.partitions_for_topic(topic) for topic in self._topics}
        if not all(known.values()):
            return frozenset()
        return frozenset((topic, each) for topic in known for each in known[topic] or ())

    def filled(self, epoch: str) -> frozenset[Place]:
        """The partitions of its own that a store has all of, from when they were assigned."""
        return self._stock.filled(epoch)

    @property
    def catching_up(self) -> bool:
        """Whether messages wait that were there when it began to read, or to read again.

        Those too that the store fails on, until it is known whether the fault is theirs, and those
        that wait for it to answer: it may answer pages again before them.
        """
        return self._lanes.waiting or self._stock.behind

    @property
    def lag(self) -> dict[str, int]:
        """Messages of each topic that are written and not yet applied, in its partitions."""
        lag = dict.fromkeys(self._topics, 0)
        if self._client is None:
            return lag
        positions = self._lanes.positions
        for place in self._client.assignment():
            end = max(self._growth.end(self._client, place), self._stock.end(place))
            position = positions.get(place, self._stock.position(place))
            if position is not None:
                lag[place.topic] += max(0, end - position)
        return lag

    @property
    def age_s(self) -> float:
        """How long ago the oldest message was written that is read and not yet applied; else 0."""
        oldest = self._lanes.oldest
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest)

    def rewind(self) -> None:
        """Read all partitions again from the beginning, since the store lost what it had.

        Returns at once; it is done when the broker and the store are there, and partitions that
        another consumer holds are that one's. Until it has caught up it is `catching_up`.
        """
        self._stock.rewind()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Finish and commit what is in flight; aiokafka waits for it before it rejoins."""
        if self._lanes:
            self._log.info("partitions are taken away", partitions=len(revoked))
        self._sessions.joined = False
        await self._settle()
        self._forget_stock()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Lanes begin with the first message."""
        self._forget_stock()
        self._sessions.joined = True
        self._log.info("partitions assigned", partitions=len(assigned))

    async def _session(self) -> None:
        client = AIOKafkaConsumer(
            **self._broker.options(),
            **self._broker.membership(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        client.subscribe(self._topics, listener=self)
        self._client = client
        try:
            await start(client.start())
            async with asyncio.TaskGroup() as self._group:
                beside = [
                    self._group.create_task(self._commit_now_and_then()),
                    self._group.create_task(self._growth.watch(client, lambda: self._stock.taken)),
                ]
                await self._read(client)
                await self._settle()
                for task in beside:
                    task.cancel()
        finally:
            self._sessions.joined, self._group, self._client = False, None, None
            self._forget_stock()
            self._lanes.clear()
            await self._stop(client)

    async def _read(self, client: AIOKafkaConsumer) -> None:
        assert self._group is not None
        while not self._sessions.closing:
            if not self._stock.taken:
                await self._take_stock(client)
            records = await client.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
            if not self._stock.taken:
                for place, taken in records.items():
                    client.seek(place, taken[0].offset)
                continue
            for place, taken in records.items():
                self._lanes.take(self._group, place, taken)
            self._lanes.flow(client)
            await self._note(client)

    async def _take_stock(self, client: AIOKafkaConsumer) -> None:
        """Once there are partitions; what is in flight is given up, and read again."""
        places, taking = client.assignment(), self._stock.begin()
        if places and self._sessions.joined:
            await self._give_up(client, places)
            await take_stock(client, places, self._stock, taking, self._epoch, self._log)

    async def _give_up(self, client: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> None:
        """Drop what is in flight; it is read again, in its order."""
        positions = self._lanes.positions
        for place in places:
            if place in positions:
                client.seek(place, positions[place])
        await self._lanes.end(CLOSE_S)

    async def _note(self, client: AIOKafkaConsumer) -> None:
        """Note how far the partitions are: idle ones past what compaction left no message of."""
        for place in client.assignment():
            position = self._lanes.positions.get(place)
            if position is None:
                position = await client.position(place)
            self._stock.note(place, position)

    def _forget_stock(self) -> None:
        self._stock.forget()
        self._growth.forget()

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._commit()

    async def _commit(self) -> None:
        """Commit what is finished. Where that fails it is repeated by whoever reads next."""
        if self._client is None or not self._producer.up:
            return
        offsets = self._stock.offsets(self._lanes.committable)
        if not offsets:
            return
        try:
            async with asyncio.timeout(REVOKED_S):
                await self._client.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            self._log.warning("offsets are not committed", why=why(error))
            return
        self._lanes.committed({place: offset for place, (offset, _) in offsets.items()})

    async def _settle(self) -> None:
        """Wait for the lanes as long as may be, commit, and end them."""
        if self._lanes:
            with suppress(TimeoutError):
                async with asyncio.timeout(REVOKED_S):
                    await self._lanes.until_idle()
            await self._commit()
        await self._lanes.end(CLOSE_S)

    async def _stop(self, client: AIOKafkaConsumer) -> None:
        """Leave the group; what takes long ends in the background."""
        within_s = CLOSE_S if self._producer.up else 0.0
        ending = asyncio.create_task(leave(client, within_s))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.wait([ending], timeout=within_s)
