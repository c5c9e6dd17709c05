"""One message that the store fails on stops no other; a fault of ours is not the message's."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from event_logs import log_of
from kafka_clients import EVENTS, everything_on, produce, raw, until

from genpage.event import Event
from streaming import sessions
from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore
from streaming.missing_topics import create_missing
from streaming.refusal import MOST_FAILED, MOST_REFUSED, Failed, Trials


class Choosy(MemoryContextStore):
    """A store that breaks on events of some titles."""

    def __init__(self, *titles: str) -> None:
        super().__init__()
        self.titles = frozenset(titles)
        self.calls = 0

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Apply all, or fail for one."""
        self.calls += 1
        for event in events:
            if event.entity_id in self.titles:
                raise RuntimeError(f"{event.user_id} has something that breaks me")
        return await super().apply(events)


@pytest.fixture
async def topics(kafka: str) -> str:
    """A broker with the topics."""
    await create_missing(Broker(kafka))
    return kafka


def caught_up(log: EventLog) -> bool:
    """Whether it has read all that the tests before left on the log."""
    every = log.consumer.every_partition
    return bool(every) and log.consumer.filled("one") == every


async def count(store: MemoryContextStore, user: str) -> int:
    """How many events of the member are known."""
    context = await store.get(user)
    return 0 if context is None else len(context.events)


async def test_one_event_of_many_is_refused(topics: str) -> None:
    """Found by halving, sent to the dead letters; all others of its run are applied, in order."""
    user, other = uuid.uuid4().hex, uuid.uuid4().hex
    store = Choosy("breaks")
    entities = ["breaks" if number == 123 else f"e{number}" for number in range(200)]
    offsets = await produce(
        topics,
        [
            raw(event_id=str(n), user_id=(user, other)[n % 2], entity_id=entity, ts=float(n))
            for n, entity in enumerate(entities)
        ],
        partition=5,
    )
    async with log_of(Broker(topics, uuid.uuid4().hex), store) as log:

        async def applied() -> bool:
            return (await count(store, user), await count(store, other)) == (100, 99)

        await until(applied)
        await until(lambda: log.consumer.tally.poison.get((EVENTS, "refused")) == 1)
        await until(lambda: not log.stale)
        assert log.state == "ok"
    letters = await everything_on(topics, f"{EVENTS}.dlq")
    (letter,) = [
        each
        for each in letters
        if (each.headers["partition"], each.headers["offset"]) == (b"5", str(offsets[123]).encode())
    ]
    assert letter.headers["error"] == b"refused: the store fails with RuntimeError"


async def test_an_event_that_fails_alone_waits_for_another(topics: str) -> None:
    """Nothing shows yet that the store works: it is held, said, and refused once one is applied."""
    user, other, group = uuid.uuid4().hex, uuid.uuid4().hex, uuid.uuid4().hex
    store = Choosy()
    async with log_of(Broker(topics, group), store) as log:
        await until(lambda: caught_up(log))
        store.titles = frozenset({"breaks"})
        await produce(topics, [raw(event_id="b", user_id=user, entity_id="breaks")], partition=1)
        await until(lambda: log.stale)
        tried = store.calls
        await until(lambda: store.calls > tried + 2)
        assert (EVENTS, "refused") not in log.consumer.tally.poison
        await produce(topics, [raw(event_id="g", user_id=other)], partition=1)
        await until(lambda: log.consumer.tally.poison.get((EVENTS, "refused")) == 1)

        async def applied() -> bool:
            return await count(store, other) == 1

        await until(applied)
        await until(lambda: not log.stale)
        assert log.state == "ok"


async def test_a_fault_that_meets_every_event_is_said_and_loses_none(
    topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead letters stay empty, the consumer ends loudly, and the next one applies them all."""
    monkeypatch.setattr(sessions, "AGAIN_S", 0.0)
    monkeypatch.setattr(sessions, "TRIES", 2)
    user, group = uuid.uuid4().hex, uuid.uuid4().hex
    store = Choosy()
    async with log_of(Broker(topics, group), store) as log:
        await until(lambda: caught_up(log))
        store.titles = frozenset({"e1"})
        events = [raw(event_id=str(n), user_id=user) for n in range(3 * MOST_FAILED)]
        await produce(topics, events, partition=2)
        await until(lambda: log.state == "ended")
        assert (EVENTS, "refused") not in log.consumer.tally.poison
    store.titles = frozenset()
    async with log_of(Broker(topics, group), store):
        async with asyncio.timeout(30):

            async def applied() -> bool:
                return await count(store, user) == 3 * MOST_FAILED

            await until(applied)


def test_too_many_refusals_are_no_fault_of_messages() -> None:
    """The error itself is raised; after a while there may be refusals again."""
    now = 0.0
    trials = Trials(lambda: now)
    failed = Failed(0, RuntimeError("ours"))
    for _ in range(MOST_REFUSED):
        trials.refuse(failed)
    with pytest.raises(RuntimeError, match="ours"):
        trials.refuse(failed)
    now = 1e6
    trials.refuse(failed)
