"""The follower of a whole topic, against a real broker."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

import pytest
import structlog
from kafka_clients import everything_on, produce, until

from api.fake import Logbook
from deploy.services import KafkaBroker
from genpage.errors import PoisonError, UnavailableError
from streaming import follower as following
from streaming import sessions
from streaming.broker import Broker
from streaming.catalog_messages import read_change
from streaming.follower import Follower
from streaming.messages import Message
from streaming.producer import Producer
from streaming.topics import CATALOG, Topic

LOG = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)


class Replica:
    """Holds the last value by key, as everybody who follows a compacted topic does."""

    def __init__(self, bootstrap: str, topic: Topic) -> None:
        self.values: dict[bytes | None, bytes | None] = {}
        self.batches = 0
        self.fails_with: Exception | None = None
        broker = Broker(bootstrap)
        self.producer = Producer(broker, LOG)
        self.follower = Follower(broker, self.producer, topic, self.read, self.apply, LOG)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.producer)
        await self._stack.enter_async_context(self.follower)
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._stack.aclose()

    def read(self, message: Message) -> tuple[bytes | None, bytes | None]:
        """Poison is poison; `crash` is a bug of ours."""
        if message.value == b"poison":
            raise PoisonError("invalid", "it is poison")
        if message.value == b"crash":
            raise ZeroDivisionError
        return message.key, message.value

    async def apply(self, read: Sequence[tuple[bytes | None, bytes | None]]) -> None:
        """Remember the last of each key."""
        if self.fails_with is not None:
            raise self.fails_with
        self.batches += 1
        self.values.update(read)


@pytest.fixture
def topic() -> Topic:
    """A compacted topic of this test's own, which nobody has made."""
    return Topic(f"test.{uuid.uuid4().hex}", "compacted", partitions=2)


async def test_every_replica_reads_all_of_it(kafka: str, topic: Topic) -> None:
    """The topic is made; two read the same, one that comes late too, in few batches, and go on."""
    async with Replica(kafka, topic) as one:
        await until(one.follower.caught_up.is_set)
        assert (one.follower.state, one.follower.lag, one.values) == ("ok", 0, {})
        written = [(f"{n % 700}".encode(), f"{n}".encode()) for n in range(3_000)]
        await produce(kafka, written, topic=topic.name)
        wanted: dict[bytes | None, bytes | None] = dict(written)
        await until(lambda: one.values == wanted and one.follower.lag == 0)
        async with Replica(kafka, topic) as two:
            await until(two.follower.caught_up.is_set)
            assert two.values == wanted
            assert two.follower.tally.applied == len(written)
            assert two.batches < 20
            await produce(kafka, [(b"1", None)], topic=topic.name)
            for replica in (one, two):
                await until(lambda: replica.values[b"1"] is None)  # noqa: B023 - awaited here


async def test_poison_goes_to_the_dead_letters_and_reading_goes_on(
    kafka: str, topic: Topic
) -> None:
    """Poison and a reader that crashes on a message alike."""
    async with Replica(kafka, topic) as replica:
        await until(lambda: replica.follower.state == "ok")
        written = [(b"a", b"poison"), (b"b", b"crash"), (b"c", b"good")]
        await produce(kafka, written, topic=topic.name, partition=1)
        await until(lambda: replica.values == {b"c": b"good"})
        poison = {(topic.name, "invalid"): 1, (topic.name, "unreadable"): 1}
        assert replica.follower.tally.poison == poison
    letters = await everything_on(kafka, topic.dead_letters.name)
    assert [(letter.key, letter.value) for letter in letters] == written[:2]
    assert letters[0].headers["partition"] == b"1"
    assert letters[0].headers["error"] == b"invalid: it is poison"


async def test_what_is_applied_to_may_be_away(kafka: str, topic: Topic) -> None:
    """The same batch is insisted on until it is taken; lag says so meanwhile."""
    async with Replica(kafka, topic) as replica:
        await until(lambda: replica.follower.state == "ok")
        replica.fails_with = UnavailableError("away")
        await produce(kafka, [(b"a", b"1")], topic=topic.name)
        await until(lambda: replica.follower._blocked)
        assert (replica.follower.lag, replica.follower.state) == (1, "ok")
        replica.fails_with = None
        await until(lambda: replica.values == {b"a": b"1"} and replica.follower.lag == 0)


async def test_an_error_of_our_own_ends_it_loudly(
    kafka: str, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few tries the state says so; before that it goes on where it was."""
    monkeypatch.setattr(sessions, "AGAIN_S", 0.0)
    monkeypatch.setattr(sessions, "TRIES", 2)
    async with Replica(kafka, topic) as replica:
        await until(lambda: replica.follower.state == "ok")
        replica.fails_with = RuntimeError("a bug")
        await produce(kafka, [(b"a", b"1")], topic=topic.name)
        await until(lambda: replica.follower.state == "ended")
        assert not replica.values


async def test_a_broker_that_is_late_and_goes_away_is_rejoined(
    tmp_path: Path, topic: Topic
) -> None:
    """What is written after the return is applied, and nothing is applied twice."""
    broker = KafkaBroker(tmp_path)
    async with Replica(broker.bootstrap, topic) as replica:
        assert replica.follower.state == "away"
        assert not replica.follower.caught_up.is_set()
        try:
            await asyncio.to_thread(broker.start)
            await until(lambda: replica.follower.state == "ok")
            await produce(broker.bootstrap, [(b"a", b"1")], topic=topic.name)
            await until(lambda: replica.values == {b"a": b"1"})
            await asyncio.to_thread(broker.kill)
            await until(lambda: replica.follower.state == "away")
            await asyncio.to_thread(broker.start)
            await produce(broker.bootstrap, [(b"b", b"2")], topic=topic.name)
            await until(lambda: replica.values == {b"a": b"1", b"b": b"2"})
            assert replica.follower.tally.applied == 2
        finally:
            broker.kill()


async def test_it_ends_within_seconds_whatever_its_client_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its session swallows the cancellation: a warning, and the server ends without it."""
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def stubborn(*_: object, **__: object) -> None:
        begun.set()
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()

    async def apply(_: Sequence[object]) -> None:
        raise AssertionError

    monkeypatch.setattr(sessions, "supervise", stubborn)
    monkeypatch.setattr(following, "LAST_S", 0.05)
    logbook, broker = Logbook(), Broker("localhost:9")
    log = logbook.logger()
    follower = Follower(broker, Producer(broker, log), CATALOG, read_change, apply, log)
    async with asyncio.timeout(5):
        async with follower:
            await begun.wait()
    let_go.set()
    assert [line["event"] for line in logbook.lines] == ["tasks do not end"]
