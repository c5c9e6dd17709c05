"""The event log against a real broker: what is acknowledged is applied, once, whatever happens."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from event_logs import joined, log_of
from kafka_clients import (
    EVENTS,
    Raw,
    everything_on,
    produce,
    produce_nothing,
    raw,
    until,
)

from deploy.services import KafkaBroker
from genpage.catalog import Catalog
from genpage.context import Context, apply_event
from genpage.documents import parse
from genpage.entity import Entity
from genpage.errors import UnavailableError
from genpage.event import Event
from genpage.profile import Profile
from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore
from streaming.messages import VALUE_LIMIT, of_profile
from streaming.trending import LiveTrends

CATALOG = Catalog.build([Entity("e1", "film", "One"), Entity("e2", "film", "Two")], [])


class AwayStore(MemoryContextStore):
    """A store that is away as long as a test says so."""

    away = False

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Apply, unless away."""
        if self.away:
            raise UnavailableError("the store is away")
        return await super().apply(events)


@pytest.fixture
def user() -> str:
    """A member of this test's own."""
    return f"member-{uuid.uuid4().hex}"


@pytest.fixture
def group() -> str:
    """A consumer group of this test's own."""
    return f"group-{uuid.uuid4().hex}"


def ids(context: Context | None) -> list[str]:
    """The ids of a member's events, in order."""
    return [] if context is None else [event.event_id for event in context.events]


def event(number: int, user: str, ts: float | None = None) -> Event:
    """An event whose id is its number."""
    return Event(f"e{number}", user, "e1", "play", float(number) if ts is None else ts)


async def published(log: EventLog, *events: Event) -> bool:
    """Whether the log has the events; the first transaction may take long on a slow machine."""
    try:
        await log.sink.publish(events)
    except UnavailableError:
        return False
    return True


async def reached(store: MemoryContextStore, user: str, count: int) -> None:
    """Return once so many events of the member are known."""

    async def there() -> bool:
        return len(ids(await store.get(user))) >= count

    await until(there)


async def test_an_event_of_a_plain_client_is_applied_and_counted(
    kafka: str, user: str, group: str
) -> None:
    """A JSON value without headers; the title trends as well."""
    store, trends = MemoryContextStore(), LiveTrends(CATALOG)
    async with joined(log_of(Broker(kafka, group), store, trends)) as log:
        await produce(kafka, [raw(event_id="x", user_id=user, entity_id="e2")])
        await reached(store, user, 1)
        await until(lambda: sum(log.consumer.lag.values()) == 0)
        assert log.consumer.age_s == 0.0
        assert len(log.consumer.partitions) == 16
    assert trends.snapshot().scores[1] > 0


async def test_published_events_profiles_and_erasures_arrive(
    kafka: str, user: str, group: str
) -> None:
    """All by the sink or a message of ours; what comes after the erasure stays."""
    store = MemoryContextStore()
    async with joined(log_of(Broker(kafka, group), store)) as log:
        profile = Profile(user, country="NZ", ts=5.0)
        await log.producer.send([of_profile(profile)])
        await until(lambda: published(log, event(1, user), event(2, user)))
        await reached(store, user, 2)

        async def profiled() -> bool:
            context = await store.get(user)
            return context is not None and context.profile == profile

        async def gone() -> bool:
            return await store.get(user) is None

        await until(profiled)
        await log.sink.erase(user)
        await until(gone)


async def test_any_order_and_number_of_arrivals_folds_as_the_reference(
    kafka: str, user: str, group: str
) -> None:
    """Duplicates, late and reordered messages, over several members and runs."""
    chance = random.Random(7)
    arrivals = [
        (f"{user}-{chance.randrange(5)}", chance.randrange(120), chance.randrange(90))
        for _ in range(600)
    ]
    messages: list[Raw] = []
    expected: dict[str, Context] = {}
    for name, number, ts in arrivals:
        messages.append(raw(event_id=f"{number}", user_id=name, ts=float(ts)))
        value = messages[-1][1]
        assert value is not None
        read = parse(Event, orjson.loads(value))
        expected[name] = apply_event(expected.get(name, Context(name)), read)
    store = MemoryContextStore()
    async with joined(log_of(Broker(kafka, group), store)) as log:
        await produce(kafka, messages)
        await until(lambda: log.consumer.tally.applied >= len(messages))
        for name, context in expected.items():
            await reached(store, name, len(context.events))
            held = await store.get(name)
            assert held is not None
            assert (held.events, held.updated_at) == (context.events, context.updated_at)


async def test_poison_goes_to_the_dead_letters_and_the_partition_moves_on(
    kafka: str, user: str, group: str
) -> None:
    """Each kind, on one partition, with a good event behind; headers say whence and why."""
    key = user.encode()
    poison: list[tuple[str, Raw]] = [
        ("not-json", (key, b"{'not': json")),
        ("unknown-action", raw(event_id="p", user_id=user, action="yawn")),
        ("invalid", (key, b"null")),
        ("invalid", raw(user_id=user)),
        ("key", (b"another", raw(event_id="p", user_id=user)[1])),
        ("too-large", (key, raw(event_id="p", user_id=user, padding="x" * VALUE_LIMIT)[1])),
        ("too-large", (key, b"x" * 5_000_000)),
    ]
    store = MemoryContextStore()
    async with joined(log_of(Broker(kafka, group), store)) as log:
        offsets = await produce(kafka, [message for _, message in poison], partition=3)
        offsets.append(await produce_nothing(kafka, partition=3))
        poison.append(("null", (None, b"")))
        await produce(kafka, [raw(event_id="good", user_id=user)], partition=3)
        await reached(store, user, 1)
        # More where a session was lost on the way: what was not committed is read again.
        await until(lambda: sum(log.consumer.tally.poison.values()) >= len(poison))
        assert log.consumer.tally.poison[EVENTS, "too-large"] >= 2
    letters = await everything_on(kafka, f"{EVENTS}.dlq")
    by_offset = {
        letter.headers["offset"]: letter
        for letter in letters
        if letter.headers["partition"] == b"3"
    }
    for offset, (kind, (key_, value)) in zip(offsets, poison, strict=True):
        letter = by_offset[str(offset).encode()]
        assert (letter.key, letter.value) == (key_, value)
        assert letter.headers["topic"] == EVENTS.encode()
        assert letter.headers["error"].startswith(kind.encode())


async def test_a_store_that_is_away_holds_the_log_back(kafka: str, user: str, group: str) -> None:
    """Reading pauses, lag and age grow, nothing is lost, and it heals by itself."""
    store = AwayStore()
    async with joined(log_of(Broker(kafka, group), store)) as log:
        await until(lambda: sum(log.consumer.lag.values()) == 0)
        store.away = True
        await until(lambda: published(log, *(event(number, user) for number in range(500))))
        await until(lambda: log.consumer._lanes.waiting)
        assert sum(log.consumer.lag.values()) > 0
        assert log.consumer.age_s > 0
        assert log.state == "ok"
        store.away = False
        await reached(store, user, 500)
        await until(lambda: sum(log.consumer.lag.values()) == 0)


async def test_a_new_consumer_goes_on_where_the_last_one_ended(
    kafka: str, user: str, group: str
) -> None:
    """Closing commits: nothing is read twice. And what waited for a consumer is read first."""
    store = MemoryContextStore()
    async with joined(log_of(Broker(kafka, group), store)) as log:
        await log.sink.publish([event(1, user)])
        await reached(store, user, 1)
        await until(lambda: sum(log.consumer.lag.values()) == 0)
    await produce(kafka, [raw(event_id="later", user_id=user, ts=99.0)])
    async with joined(log_of(Broker(kafka, group), store)) as log:
        await reached(store, user, 2)
        assert log.consumer.tally.applied == 1


async def test_two_consumers_share_the_partitions(kafka: str, user: str, group: str) -> None:
    """Each reads its half; when one leaves, the other has all, and no event is missing."""
    store = MemoryContextStore()
    async with joined(log_of(Broker(kafka, group), store)) as one:
        async with joined(log_of(Broker(kafka, group), store)) as two:
            await until(lambda: len(one.consumer.partitions) == 8 and one.state == "ok")
            assert len(two.consumer.partitions) == 8
            assert not one.consumer.partitions & two.consumer.partitions
            names = [f"{user}-{number}" for number in range(40)]
            await one.sink.publish([event(1, name) for name in names])
            for name in names:
                await reached(store, name, 1)
        await until(lambda: len(one.consumer.partitions) == 16)
        await one.sink.publish([event(2, name) for name in names])
        for name in names:
            await reached(store, name, 2)


async def test_nothing_acknowledged_is_lost_when_the_broker_stops_under_load(
    tmp_path: Path, user: str, group: str
) -> None:
    """Killed and started again while events are published; refusals are told, and it heals."""
    store = MemoryContextStore()
    with KafkaBroker(tmp_path) as broker:
        async with joined(log_of(Broker(broker.bootstrap, group), store)) as log:
            acknowledged: list[Event] = []
            refused = asyncio.Event()

            async def publish() -> None:
                number = 0
                while True:
                    number += 1
                    one = event(number, f"{user}-{number % 20}")
                    try:
                        await log.sink.publish([one])
                    except UnavailableError:
                        refused.set()
                        await asyncio.sleep(0.01)
                    else:
                        acknowledged.append(one)

            publishing = asyncio.create_task(publish())
            await until(lambda: len(acknowledged) > 200)
            await asyncio.to_thread(broker.kill)
            await refused.wait()
            await until(lambda: log.away)
            assert log.state == "away"
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(5):
                await log.producer.until_up()
            before = len(acknowledged)
            await until(lambda: len(acknowledged) > before + 200)
            publishing.cancel()
            with suppress(asyncio.CancelledError):
                await publishing

            async def all_known() -> bool:
                known = {
                    name: set(ids(await store.get(name)))
                    for name in {one.user_id for one in acknowledged}
                }
                return all(one.event_id in known[one.user_id] for one in acknowledged)

            await until(all_known)


async def test_a_held_broker_is_noticed_within_a_second(
    tmp_path: Path, user: str, group: str
) -> None:
    """It accepts and answers nothing; a publish is refused in time, and works again after."""
    with KafkaBroker(tmp_path) as broker:
        async with joined(log_of(Broker(broker.bootstrap, group), MemoryContextStore())) as log:
            broker.pause()
            try:
                async with asyncio.timeout(1.0):
                    await until(lambda: log.away)
                async with asyncio.timeout(2.5):
                    with pytest.raises(UnavailableError):
                        await log.sink.publish([event(1, user)])
            finally:
                broker.go_on()
            async with asyncio.timeout(5):
                await log.producer.until_up()
            await log.sink.publish([event(2, user)])


async def test_a_broker_that_comes_late_is_found(tmp_path: Path, user: str, group: str) -> None:
    """Away at the start: entered at once, refuses at once, heals when it is there."""
    broker = KafkaBroker(tmp_path)
    store = MemoryContextStore()
    async with log_of(Broker(broker.bootstrap, group), store) as log:
        assert log.state == "away"
        with pytest.raises(UnavailableError):
            await log.sink.publish([event(1, user)])
        await asyncio.to_thread(broker.start)
        try:
            await until(lambda: log.state == "ok")
            await log.sink.publish([event(2, user)])
            await reached(store, user, 1)
        finally:
            broker.kill()
