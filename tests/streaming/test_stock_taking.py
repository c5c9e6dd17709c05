"""What is in flight when partitions come and go in the middle of taking stock."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import structlog
from aiokafka import TopicPartition
from kafka_clients import EVENTS, until
from scripted_kafka import Held, ScriptedClient, up, written

from genpage.errors import UnavailableError
from genpage.event import Event
from streaming import consumer as consuming
from streaming import growth, sessions
from streaming.applier import Applier
from streaming.broker import Broker
from streaming.consumer import Consumer
from streaming.memory import MemoryContextStore
from streaming.topics import EVENTS as EVENTS_TOPIC

LOG = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)
CURRENT, OUTDATED, OTHER = (TopicPartition(EVENTS, n) for n in range(3))
NAMES = {CURRENT: "current-", OUTDATED: "outdated-", OTHER: "other-"}


class Slow(MemoryContextStore):
    """A store that takes its time, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.away = False
        self.seen: set[str] = set()

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Apply, once it may."""
        await self.go.wait()
        if self.away:
            raise UnavailableError("the store is away")
        self.seen |= {event.event_id for event in events}
        return await super().apply(events)


@pytest.fixture
def store() -> Slow:
    """A store that answers nothing yet."""
    return Slow()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ScriptedClient:
    """Three partitions of 40 events; the offsets of two are of another store."""
    made = ScriptedClient(
        {place: written(name, 40) for place, name in NAMES.items()},
        {CURRENT: Held(0, "now"), OUTDATED: Held(20, "before"), OTHER: Held(20, "before")},
    )

    async def leave(*_: object) -> bool:
        return True

    monkeypatch.setattr(consuming, "AIOKafkaConsumer", lambda **_: made)
    monkeypatch.setattr(consuming, "leave", leave)
    monkeypatch.setattr(consuming, "REVOKED_S", 0.05)
    return made


@asynccontextmanager
async def reading(client: ScriptedClient, store: Slow) -> AsyncIterator[Consumer]:
    """A consumer that has the first two of them."""

    async def forget(user_id: str, at: float | None) -> None:
        await store.erase(user_id, at)

    async def epoch() -> str:
        return "now"

    applier = Applier(store, None, forget)
    made = Consumer(
        Broker("localhost:9"), applier, up(LOG), LOG, topics=[EVENTS_TOPIC], epoch=epoch
    )
    async with asyncio.timeout(10), made:
        await until(lambda: client.listener is not None)
        await client.rebalance([CURRENT, OUTDATED])
        yield made
        store.go.set()


def events_of(*places: TopicPartition) -> set[str]:
    """The ids of all that they hold."""
    return {f"{NAMES[place]}{n}" for place in places for n in range(40)}


async def test_a_rebalance_amid_stock_taking_leaves_no_hole(
    client: ScriptedClient, store: Slow
) -> None:
    """With a store that is slow, partitions to be read again, and one that is not."""
    every = [CURRENT, OUTDATED, OTHER]
    amid = 0

    async def rebalanced() -> None:
        nonlocal amid
        amid += 1
        await client.rebalance(every)

    client.amid = rebalanced
    async with reading(client, store) as consumer:
        await until(lambda: amid == 1 and consumer._stock.taken)
        assert client.held[CURRENT].offset == 0
        store.go.set()
        await until(lambda: store.seen == events_of(*every))
        await until(lambda: all(client.held[p] == Held(40, "now") for p in every))


async def test_the_same_partitions_given_again_amid_stock_taking_are_asked_about_again(
    client: ScriptedClient, store: Slow
) -> None:
    """Another held one meanwhile, and committed for a store that is lost since."""

    async def rebalanced() -> None:
        client.held[CURRENT] = Held(30, "lost")
        await client.rebalance([CURRENT, OUTDATED])

    client.amid = rebalanced
    store.go.set()
    async with reading(client, store):
        await until(lambda: store.seen == events_of(CURRENT, OUTDATED))


async def test_what_is_in_flight_is_given_up_and_read_again_when_nothing_is_lost(
    client: ScriptedClient, store: Slow
) -> None:
    """A rewind for no loss: what is unfinished goes on where it was, not past it."""
    async with reading(client, store) as consumer:
        await until(lambda: len(consumer._lanes) == 2)
        consumer.rewind()
        assert consumer.catching_up
        await until(lambda: consumer._stock.taken)
        store.go.set()
        await until(lambda: store.seen == events_of(CURRENT, OUTDATED))
        await until(lambda: not consumer.catching_up)


async def test_what_waits_for_a_store_is_told_and_the_lag_grows_with_the_log(
    client: ScriptedClient, store: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paused partition is not fetched, and what was caught up with before is not so now."""
    monkeypatch.setattr(growth, "LOOK_S", 0.01)
    store.go.set()
    async with reading(client, store) as consumer:
        await until(lambda: store.seen == events_of(CURRENT, OUTDATED))
        await until(lambda: not consumer.catching_up and sum(consumer.lag.values()) == 0)
        store.away = True
        client.log[CURRENT].append(written(NAMES[CURRENT], 41)[-1])
        await until(lambda: CURRENT in client.still)
        assert consumer.catching_up
        assert consumer.filled("now") == {(EVENTS, 1), (EVENTS, 0)}
        assert consumer.lag[EVENTS] == 1
        client.log[CURRENT].extend(written(NAMES[CURRENT], 60)[41:])
        await until(lambda: consumer.lag[EVENTS] == 20)
        assert consumer.catching_up
        store.away = False
        await until(lambda: not consumer.catching_up and consumer.lag[EVENTS] == 0)
        assert f"{NAMES[CURRENT]}59" in store.seen


async def test_a_store_that_swallows_a_cancellation_keeps_no_server_from_ending(
    client: ScriptedClient, store: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the end nor the next assignment waits for it longer than seconds."""
    monkeypatch.setattr(consuming, "CLOSE_S", 0.05)
    monkeypatch.setattr(sessions, "CLOSE_S", 0.05)
    let_go, begun = asyncio.Event(), asyncio.Event()

    async def stuck(_: Sequence[Event]) -> Sequence[Event]:
        begun.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return []

    monkeypatch.setattr(store, "apply", stuck)
    try:
        async with asyncio.timeout(5), reading(client, store) as consumer:
            await begun.wait()
            await client.rebalance([CURRENT])
            await until(lambda: consumer.state == "ok" and consumer._stock.taken)
    finally:
        let_go.set()
    supervisor = consumer._sessions._supervisor
    assert supervisor is not None
    await asyncio.wait([supervisor], timeout=5)
    assert supervisor.done()
