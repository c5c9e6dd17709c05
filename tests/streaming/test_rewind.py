"""A store that lost what it had is filled from the log again, whoever holds the partitions."""

import uuid
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import numpy as np
import pytest
from event_logs import joined, log_of
from kafka_clients import produce, raw, until

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.errors import UnavailableError
from genpage.event import Event
from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore
from streaming.missing_topics import create_missing
from streaming.trending import LiveTrends


class Emptied:
    """A store that a test can empty, as a restarted Redis is: another epoch names what is in it."""

    def __init__(self) -> None:
        self.empty()
        self.away = False

    def empty(self) -> None:
        """Lose everything."""
        self.memory, self.name = MemoryContextStore(), uuid.uuid4().hex

    async def epoch(self) -> str:
        """What names the content."""
        if self.away:
            raise UnavailableError("the store is away")
        return self.name

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Apply, unless away."""
        if self.away:
            raise UnavailableError("the store is away")
        return await self.memory.apply(events)

    async def get(self, user_id: str) -> Context | None:
        """What is held of a member."""
        return await self.memory.get(user_id)

    async def has(self, users: Sequence[str], count: int) -> bool:
        """Whether so many events of each member are in it."""
        held = [await self.get(user) for user in users]
        return all(context is not None and len(context.events) >= count for context in held)

    def __getattr__(self, name: str) -> object:
        return getattr(self.memory, name)


@pytest.fixture(autouse=True)
async def topics(kafka: str) -> None:
    """Those that servers read are there before the first server is."""
    await create_missing(Broker(kafka))


@pytest.fixture
def users() -> list[str]:
    """Members of this test's own, on many partitions."""
    return [f"member-{number}-{uuid.uuid4().hex}" for number in range(24)]


@pytest.fixture
async def store(kafka: str, users: list[str], topics: None) -> Emptied:
    """A store that is empty as yet; an event of each member is on the log."""
    del topics
    await produce(kafka, [raw(event_id="1", user_id=user) for user in users])
    return Emptied()


@pytest.fixture
def group() -> str:
    """A consumer group of this test's own."""
    return f"group-{uuid.uuid4().hex}"


def feeding(
    kafka: str, group: str, store: Emptied, trends: LiveTrends | None = None
) -> AbstractAsyncContextManager[EventLog]:
    """A log that feeds the store, once it reads."""
    return joined(log_of(Broker(kafka, group), store, trends, epoch=store.epoch))  # type: ignore[arg-type]


@pytest.fixture
def trends() -> LiveTrends:
    """Counts over a catalog of one title."""
    return LiveTrends(Catalog.build([Entity("e1", "film", "One")], []))


async def test_a_rewound_consumer_fills_an_emptied_store(
    kafka: str, users: list[str], group: str, store: Emptied, trends: LiveTrends
) -> None:
    """All members again, and what arrives meanwhile; it says so until it has caught up.

    What is watched is not counted twice.
    """
    async with feeding(kafka, group, store, trends) as log:
        await until(lambda: store.has(users, 1))
        await until(lambda: not log.stale)
        assert log.consumer.filled(store.name) == log.consumer.every_partition
        before = trends.snapshot().scores.copy()
        store.empty()
        log.consumer.rewind()
        assert log.stale
        await until(lambda: not log.stale)
        np.testing.assert_array_equal(trends.snapshot().scores, before)
        await produce(kafka, [raw(event_id="2", user_id=user, ts=11.0) for user in users])
        await until(lambda: store.has(users, 2))
        await until(lambda: not log.stale)
        await until(lambda: sum(log.consumer.lag.values()) == 0)


async def test_a_store_emptied_while_nobody_looked_is_filled(
    kafka: str, users: list[str], group: str, store: Emptied
) -> None:
    """The offsets name the store that they are of, so no memory of a process is needed."""
    async with feeding(kafka, group, store) as log:
        await until(lambda: store.has(users, 1))
        await until(lambda: sum(log.consumer.lag.values()) == 0)
    async with feeding(kafka, group, store) as log:
        await until(lambda: not log.stale and log.consumer.lag.keys() != set())
        assert log.consumer.tally.applied == 0
    store.empty()
    store.away = True
    async with feeding(kafka, group, store) as log:
        await produce(kafka, [raw(event_id="2", user_id=user, ts=11.0) for user in users])
        store.away = False
        await until(lambda: store.has(users, 2))


async def test_a_crash_after_a_rewind_leaves_no_hole(
    kafka: str, users: list[str], group: str, store: Emptied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beginning is committed before anything is read again: whoever is next goes on there."""
    async with feeding(kafka, group, store) as log:
        await until(lambda: store.has(users, 1))
        await until(lambda: sum(log.consumer.lag.values()) == 0)
        store.empty()

        async def never() -> None:
            """No commit after this: the process is as good as dead."""

        monkeypatch.setattr(log.consumer, "_commit", never)
        log.consumer.rewind()
        await until(lambda: store.has(users, 1))
    store.memory = MemoryContextStore()  # the same epoch: what was filled halfway is lost
    monkeypatch.undo()
    async with feeding(kafka, group, store):
        await until(lambda: store.has(users, 1))


async def test_partitions_of_a_replica_that_never_noticed_are_read_again(
    kafka: str, users: list[str], group: str, store: Emptied
) -> None:
    """One of two ends with the store's loss; the other takes over its partitions and fills."""
    async with feeding(kafka, group, store) as one:
        async with feeding(kafka, group, store) as two:
            await until(lambda: len(one.consumer.partitions) == 8 and one.state == "ok")
            await until(lambda: store.has(users, 1))
            await until(lambda: not one.stale and not two.stale)
        await until(lambda: len(one.consumer.partitions) == 16 and not one.stale)
        async with feeding(kafka, group, store) as two:
            await until(lambda: len(one.consumer.partitions) == 8 and not one.stale)
            store.empty()
            one.consumer.rewind()
            await until(lambda: not one.stale)
            assert not await store.has(users, 1)
            assert two.state == "ok"
        await until(lambda: store.has(users, 1))
