"""Served pages on their way to the event log."""

import asyncio
import time
import tracemalloc
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer
from composed import on, serving
from httpx_sse import aconnect_sse
from kafka_clients import until

from api.app import create_app
from api.fake import FakeServer, Logbook
from api.page_publisher import PagePublisher, page_document
from genpage.errors import InputError, PoisonError, UnavailableError
from genpage.event import Event
from genpage.served_page import ServedPage, ServedRow
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

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}


class StandIn:
    """A `Sender` whose broker is as the test says."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.tries = 0
        self.refuses: Exception | None = None
        self.huge: bytes | None = None
        self.closed = False
        self._up = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether the broker answers."""
        return self._up.is_set()

    async def until_up(self) -> None:
        """Return once it does."""
        await self._up.wait()

    def come(self) -> None:
        """The broker answers from now on."""
        self._up.set()

    async def send(self, messages: Sequence[Message]) -> None:
        """Take messages, unless told otherwise."""
        self.tries += 1
        if self.refuses is not None:
            raise self.refuses
        if any(message.key == self.huge for message in messages):
            raise InputError("too large")
        self.taken += messages

    async def close(self) -> None:
        """The end."""
        self.closed = True


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


async def test_what_is_told_is_what_was_sent(
    fake: FakeServer, client: httpx.AsyncClient, eventually: Eventually
) -> None:
    """Of a page left after its first row: one row was sent, though more were decoded."""
    fake.backend.hold()
    told: list[dict[str, Any]] = []

    class Listener:
        def ended(self, page: Any, outcome: str) -> None:  # noqa: ANN401 - any page
            told.append(page_document(page, outcome, 5.0))

    fake.server.pages._listeners = [*fake.server.pages._listeners, Listener()]
    body = {**PAGE, "rows": 3, "entities_per_row": 2, "temperature": 1.5, "device": "tv"}
    answer = asyncio.create_task(client.post("/v1/pages", json=body))
    await eventually(lambda: fake.server.pages.store.running() != [])
    (page,) = fake.server.pages.store.running()
    fake.backend.let(3)
    await eventually(lambda: len(page.rows) == 1)
    fake.backend.open()
    await answer
    await eventually(lambda: bool(told))
    (said,) = told
    assert (said["rows_sent"], said["finish_reason"], said["device"]) == (3, "complete", "tv")
    assert said["model"] == {"version": "fake-1", "digest": "f" * 64}
    read = read_page(of_page(said, 6.0))
    drawn = [chance for row in read.rows for chance in row.propensities]
    assert len(drawn) == 6
    assert all(0 < chance < 0.2 for chance in drawn)
    # The same page, had its client left after the first row.
    page._watchers = 0
    page._sent = 2
    assert page_document(page, "cancelled", 5.0)["rows_sent"] == 1


async def test_what_is_read_after_the_end_is_told_as_well(
    fake: FakeServer, client: httpx.AsyncClient
) -> None:
    """Of a page that ended unheard: once its rest was read, and no more once it was erased."""
    made = (await client.post("/v1/pages", json={**PAGE, "rows": 3})).json()
    page = fake.server.pages.store.get(made["page_id"])
    producer = StandIn()
    producer.come()
    async with PagesOut(producer, Logbook().logger()) as out:
        PagePublisher(out, clock=lambda: 5.0).ended(page, "complete")
        path = f"/v1/pages/{page.page_id}/events"
        await client.get(path)
        await client.get(path)
        await until(lambda: out.waiting == 0)
        told = [orjson.loads(message.value or b"") for message in producer.taken]
        assert [each["rows_sent"] for each in told] == [0, 3]
        assert [each["ended_at"] for each in told] == [5.0, 5.0]
        page._sent = 1
        PagePublisher(out).ended(page, "complete")
        await fake.server.pages.erase(page.user_id)
        async for _ in (watch := page.watch()).frames():
            pass
        watch.close()
        await until(lambda: out.waiting == 0)
        assert len(producer.taken) == 3


async def test_rows_count_as_sent_once_they_were_handed_on(
    fake: FakeServer, client: httpx.AsyncClient
) -> None:
    """Start and end are no rows."""
    del client
    ask_page = fake.server.pages
    assert ask_page.store.running() == []
    async with aconnect_sse(
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(fake.server)), base_url="http://localhost"
        ),
        "POST",
        "/v1/pages",
        json=PAGE,
    ) as source:
        events = [event async for event in source.aiter_sse() if event.data]
    page = ask_page.store.get(orjson.loads(events[0].data)["page_id"])
    assert page.rows_sent == 2


@pytest.mark.usefixtures("bundle")
async def test_a_served_page_lies_on_the_log(kafka: str) -> None:
    """Keyed by its member, a CloudEvent, with versions; greedy places are certain."""
    user = uuid.uuid4().hex
    async with serving(on(kafka=kafka)) as (server, client):
        log = server.event_log
        assert log is not None
        await log.producer.until_up()
        page = (await client.post("/v1/pages", json={**PAGE, "user_id": user})).json()
        follow = {**PAGE, "user_id": user, "continue_from": page["page_id"]}
        await client.post("/v1/pages", json=follow)
        await until(lambda: log.pages.sent == 2)
        assert log.pages.dropped == 0
    found: list[Any] = []
    async with AIOKafkaConsumer(
        "genpage.pages", bootstrap_servers=kafka, auto_offset_reset="earliest"
    ) as consumer:
        while len(found) < 2:
            record = await consumer.getone()
            if record.key == user.encode():
                found.append(record)
    first, second = (orjson.loads(record.value) for record in found)
    assert dict(found[0].headers)["ce_type"] == b"genpage.page.served"
    for name in ("page_id", "user_id", "model", "catalog_version", "context", "degraded"):
        assert first[name] == page[name]
    assert (first["finish_reason"], first["rows_sent"]) == ("complete", 2)
    assert second["continued_from"] == first["page_id"]
    read = read_page(Message("genpage.pages", found[0].key, found[0].value))
    assert isinstance(read, ServedPage)
    wanted = [
        ServedRow(row["row"]["id"], tuple(e["id"] for e in row["entities"]), (1.0, 1.0, 1.0))
        for row in page["rows"]
    ]
    assert list(read.rows) == wanted


async def test_publishing_a_page_takes_a_fraction_of_a_millisecond(
    fake: FakeServer, client: httpx.AsyncClient
) -> None:
    """It runs on the loop that serves everybody: a page of 10 x 20, by the best of many."""
    body = {"user_id": "ada", "rows": 10, "entities_per_row": 20}
    made = (await client.post("/v1/pages", json=body)).json()
    page = fake.server.pages.store.get(made["page_id"])
    out = PagesOut(StandIn(), Logbook().logger())
    publisher = PagePublisher(out)
    best = float("inf")
    for _ in range(50):
        begun = time.perf_counter()
        publisher.ended(page, "complete")
        best = min(best, time.perf_counter() - begun)
    assert out.waiting == 50
    assert best < 1e-3
