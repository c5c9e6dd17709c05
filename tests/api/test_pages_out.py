"""Served pages wait for the event log: none delays a member, and what is lost is counted."""

import asyncio
import time
import tracemalloc
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from kafka_clients import until
from senders import StandIn

from api.fake import Logbook
from genpage.errors import PoisonError, UnavailableError
from genpage.event import Event
from streaming.broker import Broker
from streaming.checkpoints import StatusReports
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore
from streaming.messages import Message, of_event
from streaming.outbox import TRIES, Outbox
from streaming.page_messages import of_page, read_page, row_document
from streaming.pages_out import PagesOut
from streaming.producer import SEND_S, Producer
from streaming.side_producer import SideProducer


def document(user: str, size: int = 1) -> dict[str, Any]:
    """A page that takes some room."""
    return {"page_id": uuid.uuid4().hex, "user_id": user, "padding": "x" * size}


async def test_a_page_never_waits_and_what_does_not_fit_is_counted() -> None:
    """The broker is away for long; then comes what was held, in order."""
    producer = StandIn()
    out = PagesOut(producer, Logbook().logger(), most_bytes=10_000)
    async with out:
        for number in range(20):
            out.put(document(f"m{number}", 900))
        assert (out.dropped, out.waiting) == (10, 10)
        out.forget("m3")
        assert out.waiting == 9
        producer.come()
        await until(lambda: out.sent == 9)
    assert [message.key for message in producer.taken] == [
        f"m{n}".encode() for n in range(10) if n != 3
    ]
    assert (out.dropped, out.waiting) == (10, 0)


async def test_what_the_broker_refuses_costs_nothing_else() -> None:
    """An unacknowledged batch is sent again; a message that is too large is dropped alone."""
    producer = StandIn()
    producer.refuses, producer.huge = UnavailableError("away"), b"m1"
    producer.come()
    async with PagesOut(producer, Logbook().logger()) as out:
        for number in range(3):
            out.put(document(f"m{number}"))
        await asyncio.sleep(0)
        assert out.sent == 0
        producer.refuses = None
        await until(lambda: out.waiting == 0)
        assert (out.sent, out.dropped) == (2, 1)
    assert [message.key for message in producer.taken] == [b"m0", b"m2"]


async def test_what_is_held_at_the_end_goes_out_or_is_counted() -> None:
    """With the broker there, and without."""
    for there, counts in ((True, (1, 0)), (False, (0, 1))):
        producer = StandIn()
        if there:
            producer.come()
        async with PagesOut(producer, Logbook().logger()) as out:
            out.put(document("ada"))
        assert (out.sent, out.dropped) == counts


@pytest.mark.parametrize("error", [UnavailableError("no leader"), RuntimeError("a defect")])
async def test_what_the_log_never_takes_makes_room_and_is_counted(error: Exception) -> None:
    """The sender outlives any error; what comes after is sent."""
    producer = StandIn()
    producer.come()
    producer.refuses = error
    async with PagesOut(producer, Logbook().logger(), again_s=(0.0,)) as out:
        out.put(document("ada"))
        await until(lambda: out.dropped == 1)
        assert (producer.tries, out.waiting, out.alive) == (TRIES, 0, True)
        producer.refuses = None
        out.put(document("eve"))
        await until(lambda: out.sent == 1)
    assert producer.closed
    assert not out.alive


async def test_a_server_whose_pages_are_not_sent_any_more_says_so() -> None:
    """It will not heal by itself."""

    async def forget(*_: object) -> None:
        pass

    async def epoch() -> str:
        return "one"

    log = EventLog(
        Broker("127.0.0.1:1"),
        MemoryContextStore(),
        None,
        Logbook().logger(),
        forget=forget,
        epoch=epoch,
    )
    async with log:
        said = [log.state]
        task = log.pages._task
        assert task is not None
        task.cancel()
        await asyncio.wait([task])
        assert said != [log.state] == ["ended"]


async def test_a_moment_away_loses_nothing_of_a_batch_with_a_page_too_large() -> None:
    """Sent one by one, those after the moment are sent too."""
    producer = StandIn()
    producer.come()
    producer.huge = b"m0"
    async with PagesOut(producer, Logbook().logger(), again_s=(0.0,)) as out:
        whole = producer.send

        async def send(messages: Sequence[Message]) -> None:
            if producer.tries == 2:
                producer.tries += 1
                raise UnavailableError("a moment")
            await whole(messages)

        producer.send = send  # type: ignore[method-assign]
        for number in range(4):
            out.put(document(f"m{number}"))
        await until(lambda: out.waiting == 0)
    assert [message.key for message in producer.taken] == [b"m1", b"m2", b"m3"]
    assert (out.sent, out.dropped) == (3, 1)


async def test_statuses_lose_the_oldest_first() -> None:
    """What a replica says last is what counts."""
    producer = StandIn()
    reports = StatusReports(producer, "one", Logbook().logger(), most_bytes=30)
    async with reports:
        for number in range(5):
            reports.put({"number": number})
        assert (reports.waiting, reports.dropped) == (2, 3)
        producer.come()
        await until(lambda: reports.sent == 2)
    assert [message.value for message in producer.taken] == [b'{"number":3}', b'{"number":4}']


async def test_pages_that_cannot_be_written_cost_members_no_event(kafka: str) -> None:
    """Their topic is missing and nobody makes it: events are acknowledged all the same."""
    broker, log = Broker(kafka, uuid.uuid4().hex), Logbook().logger()
    async with Producer(broker, log) as producer:
        await producer.until_up()
        async with Outbox("pages", SideProducer(broker, producer), log, most_bytes=999) as out:
            out.add(Message("genpage.nowhere", b"ada", b"{}"))
            connection, taken = producer._producer, 0
            end = time.monotonic() + 2 * SEND_S
            while time.monotonic() < end:
                event = Event(uuid.uuid4().hex, "ada", "e1", "play", 10.0)
                await producer.send([of_event(event)])
                taken += 1
            assert taken > 20
            assert producer._producer is connection
            assert (out.waiting, out._failed > 0) == (1, True)
            # The same outbox, for a topic that can be written.
            out.take_back(lambda _: True)
            out.add(Message("genpage.pages", b"ada", b"{}"))
            await until(lambda: out.sent == 1)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"{",
        b"[]",
        b"{}",
        b'{"page_id": "p", "user_id": "u", "at": "noon", "device": "tv", "rows": []}',
        b'{"page_id": "p", "user_id": "u", "at": 1e15, "device": "tv", "rows": []}',
        b'{"page_id": "p", "user_id": "u", "at": -1, "device": "tv", "rows": []}',
        b'{"page_id": "p", "user_id": "u", "at": 1, "device": "tv", "rows": [{}]}',
        b'{"page_id": "p", "user_id": "u", "at": 1, "device": "tv", "rows": 7}',
    ],
)
def test_what_is_no_page_is_poison(value: bytes | None) -> None:
    """Whoever collects goes on behind it."""
    with pytest.raises(PoisonError):
        read_page(Message("genpage.pages", b"u", value))


def test_a_page_that_was_read_takes_few_kilobytes() -> None:
    """Whoever collects holds two days of them: 10 x 20, greedy and drawn."""
    for chance, bound in ((1.0, 6_000), (0.123, 12_000)):
        row = row_document(0, ("row-1", "genre"), [f"title-{n}" for n in range(20)], [chance] * 20)
        about = {"page_id": "p", "user_id": "u", "at": 1.0, "device": "tv", "rows": [row] * 10}
        message = of_page(about, 1.0)
        read_page(message)
        tracemalloc.start()
        try:
            kept = [read_page(message) for _ in range(200)]
            taken = tracemalloc.get_traced_memory()[0] / len(kept)
        finally:
            tracemalloc.stop()
        assert taken < bound
