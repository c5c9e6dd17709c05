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
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming.applier import Applier
from streaming.broker import Broker
from streaming.dead_letters import Tally
from streaming.ending import ended
from streaming.growth import Growth
from streaming.lane import Lane
from streaming.leaving import leave
from streaming.producer import Producer
from streaming.refusal import Trials
from streaming.sessions import CLOSE_S, MOST_RECORDS, POLL_MS, Sessions, State
from streaming.supervision import why
from streaming.topics import EVENTS, PROFILES, Topic

# Names what is in the store: another one when that was lost. `UnavailableError` while it is away.
Epoch = Callable[[], Awaitable[str]]
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
        self._trials = Trials()
        self._broker = broker
        self._applier = applier
        self._producer = producer
        self._log = log
        self._topics = [topic.name for topic in topics]
        self._epoch = epoch
        self._clock = clock
        self._client: AIOKafkaConsumer | None = None
        self._lanes: dict[TopicPartition, Lane] = {}
        self._workers: dict[TopicPartition, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        # Of the partitions that stock was taken of: the epoch that their offsets are of, how far
        # they are where nothing is in flight, and where they ended, until that is reached.
        self._epochs: dict[TopicPartition, str] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._growth = Growth()
        self._stocked = False
        # Counts the times that partitions came or went: stock taken across one is worth nothing.
        self._generation = 0
        self._rewinds = 0
        self._rewound = 0
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
    def alive(self) -> bool:
        """Whether it reads, or will again once the broker is back."""
        return self._sessions.alive

    @property
    def state(self) -> State:
        """How it is, for people and probes."""
        return self._sessions.state

    @property
    def partitions(self) -> frozenset[tuple[str, int]]:
        """What it reads, by topic and partition."""
        held = () if self._client is None else self._client.assignment()
        return frozenset((place.topic, place.partition) for place in held)

    @property
    def every_partition(self) -> frozenset[tuple[str, int]]:
        """All partitions of its topics, whoever reads them; none while that is unknown."""
        if self._client is None:
            return frozenset()
        known = {topic: self._client.partitions_for_topic(topic) for topic in self._topics}
        if not all(known.values()):
            return frozenset()
        return frozenset((topic, each) for topic in known for each in known[topic] or ())

    def filled(self, epoch: str) -> frozenset[tuple[str, int]]:
        """The partitions of its own that a store has all of, from when they were assigned."""
        if not self._stocked or self._rewinds > self._rewound:
            return frozenset()
        done = (place for place, of in self._epochs.items() if of == epoch)
        return frozenset((p.topic, p.partition) for p in done if p not in self._ends)

    @property
    def catching_up(self) -> bool:
        """Whether messages wait that were there when it began to read, or to read again.

        Those too that the store fails on, until it is known whether the fault is theirs, and those
        that wait for it to answer: it may answer pages again before them.
        """
        held = any(lane.held or lane.books.blocked for lane in self._lanes.values())
        return held or self._rewinds > self._rewound or bool(self._ends)

    @property
    def lag(self) -> dict[str, int]:
        """Messages of each topic that are written and not yet applied, in its partitions."""
        lag = dict.fromkeys(self._topics, 0)
        if self._client is None:
            return lag
        for place in self._client.assignment():
            end = max(self._growth.end(self._client, place), self._ends.get(place, 0))
            position = self._position(place)
            if position is not None:
                lag[place.topic] += max(0, end - position)
        return lag

    @property
    def age_s(self) -> float:
        """How long ago the oldest message was written that is read and not yet applied; else 0."""
        oldest = [lane.oldest for lane in self._lanes.values() if lane.oldest is not None]
        return max(0.0, self._clock() - min(oldest)) if oldest else 0.0

    def rewind(self) -> None:
        """Read all partitions again from the beginning, since the store lost what it had.

        Returns at once; it is done when the broker and the store are there, and partitions that
        another consumer holds are that one's. Until it has caught up it is `catching_up`.
        """
        self._rewinds += 1
        self._stocked = False

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
            await client.start()
            async with asyncio.TaskGroup() as self._group:
                beside = [
                    self._group.create_task(self._commit_now_and_then()),
                    self._group.create_task(self._growth.watch(client, lambda: self._stocked)),
                ]
                await self._read(client)
                await self._settle()
                for task in beside:
                    task.cancel()
        finally:
            self._sessions.joined, self._group, self._client = False, None, None
            self._forget_stock()
            self._lanes.clear()
            self._workers.clear()
            await self._stop(client)

    async def _read(self, client: AIOKafkaConsumer) -> None:
        assert self._group is not None
        while not self._sessions.closing:
            if not self._stocked:
                await self._take_stock(client)
            records = await client.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
            if not self._stocked:
                for place, taken in records.items():
                    client.seek(place, taken[0].offset)
                continue
            for place, taken in records.items():
                self._lane(self._group, place).take(taken)
            self._flow(client)
            await self._note(client)

    async def _take_stock(self, client: AIOKafkaConsumer) -> None:
        """Go back to the beginning where the store has not what the offset says; note the ends.

        Nothing is read before, and nothing committed. The new offsets are committed at once: after
        a crash they hold. Taken in vain where partitions come or go meanwhile.
        """
        places, rewinds, generation = client.assignment(), self._rewinds, self._generation
        if not places or not self._sessions.joined:
            return
        await self._give_up(client, places)
        try:
            epoch = await self._epoch()
        except UnavailableError:
            if self._generation == generation:
                client.pause(*places)
            return
        outdated = await self._outdated(client, places, epoch)
        starts: Mapping[TopicPartition, int] = {}
        if outdated:
            self._log.warning("partitions are read again", partitions=len(outdated))
            starts = await client.beginning_offsets(outdated)
            if self._generation != generation:
                return
            await client.commit({place: (start, epoch) for place, start in starts.items()})
        ends = await client.end_offsets(places)
        if self._generation != generation:
            return
        for place, start in starts.items():
            client.seek(place, start)
        client.resume(*client.paused())
        self._epochs = dict.fromkeys(places, epoch)
        self._positions, self._ends = dict(starts), dict(ends)
        self._rewound = rewinds
        self._stocked = self._rewinds == rewinds

    async def _outdated(
        self, client: AIOKafkaConsumer, places: Iterable[TopicPartition], epoch: str
    ) -> set[TopicPartition]:
        """Those whose offset is worth nothing, since it is of what is no longer in the store."""
        if self._epochs.keys() >= set(places):
            return {place for place in places if self._epochs[place] != epoch}
        # The consumer's own `committed` leaves out what was committed with the offset.
        held = await client._coordinator.fetch_committed_offsets(list(places))  # noqa: SLF001
        return {place for place, at in held.items() if at.offset >= 0 and at.metadata != epoch}

    async def _give_up(self, client: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> None:
        """Drop what is in flight; it is read again, in its order."""
        for place in places:
            position = self._position(place)
            if place in self._lanes and position is not None:
                client.seek(place, position)
        await self._end_lanes()

    async def _note(self, client: AIOKafkaConsumer) -> None:
        """Note how far the idle partitions are: past what compaction left no message of, too."""
        for place in client.assignment():
            if place not in self._lanes or not self._lanes[place].books.in_flight:
                self._positions[place] = await client.position(place)
            position = self._position(place)
            if position is not None and position >= self._ends.get(place, position + 1):
                del self._ends[place]

    def _position(self, place: TopicPartition) -> int | None:
        """All before it is applied."""
        lane = self._lanes.get(place)
        if lane is None or not lane.books.in_flight:
            return self._positions.get(place)
        return lane.books.position

    def _forget_stock(self) -> None:
        self._stocked = False
        self._generation += 1
        self._epochs, self._positions, self._ends = {}, {}, {}
        self._growth.forget()

    def _lane(self, group: asyncio.TaskGroup, place: TopicPartition) -> Lane:
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(
                place.topic,
                place.partition,
                self._applier,
                self._producer,
                self.tally,
                self._trials,
                self._log,
            )
            self._workers[place] = group.create_task(lane.work(), name=f"lane {place.topic}")
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
            if lane.books.committable is not None and place in self._epochs
        }
        if not positions:
            return
        offsets = {place: (at, self._epochs[place]) for place, at in positions.items()}
        try:
            async with asyncio.timeout(REVOKED_S):
                await self._client.commit(offsets)
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
        await self._end_lanes()

    async def _end_lanes(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await ended(workers, CLOSE_S, self._log)
        self._lanes.clear()
        self._workers.clear()

    async def _stop(self, client: AIOKafkaConsumer) -> None:
        """Leave the group; what takes long ends in the background."""
        within_s = CLOSE_S if self._producer.up else 0.0
        ending = asyncio.create_task(leave(client, within_s))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.wait([ending], timeout=within_s)
