"""What is told of a served page, from its rows' leaving the server to the event log."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer
from composed import on, serving
from httpx_sse import aconnect_sse
from kafka_clients import until
from senders import StandIn

from api.app import create_app
from api.fake import FakeServer, Logbook
from api.page_publisher import PagePublisher, page_document
from api.server import Options
from genpage.errors import PoisonError
from genpage.exploration import Exploration
from genpage.served_page import ServedPage, ServedRow
from streaming.messages import Message
from streaming.page_messages import of_page, read_page
from streaming.pages_out import PagesOut

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}


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


async def test_explored_pages_tell_how_likely_each_place_was(start: Start) -> None:
    """Greedy pages of a server that explores; those sampled at a temperature are drawn already."""
    fake = FakeServer.of(options=Options(console=True, exploration=Exploration(0.2)))
    client = await start(fake)
    body = {**PAGE, "rows": 6, "entities_per_row": 8}
    chances: list[float] = []
    for member in range(12):
        made = (await client.post("/v1/pages", json={**body, "user_id": f"m{member}"})).json()
        page = fake.server.pages.store.get(made["page_id"])
        told = page_document(page, "complete", 5.0, Exploration(0.2))
        assert told["explored"] == 0.2
        read = read_page(of_page(told, 6.0))
        assert read.explored == 0.2
        assert [row.entity_ids for row in read.rows] == [
            tuple(entity["id"] for entity in row["entities"]) for row in made["rows"]
        ]
        chances += [chance for row in read.rows for chance in row.propensities]
    assert all(0 < chance < 1 for chance in chances)
    best = [chance for chance in chances if chance > 0.5]
    # A fifth of the places, and of the rows that the first places stand for too, less those
    # where the best was drawn.
    assert 0.68 < len(best) / len(chances) < 0.9
    sampled = (await client.post("/v1/pages", json={**body, "temperature": 1.0})).json()
    page = fake.server.pages.store.get(sampled["page_id"])
    told = page_document(page, "complete", 5.0, Exploration(0.2))
    assert told["explored"] == 0.0
    assert read_page(of_page(told, 6.0)).explored == 1.0
    assert read_page(of_page({**told, "temperature": 0.0}, 6.0)).explored == 0.0
    assert read_page(of_page({**told, "temperature": 0.0, "explored": None}, 6.0)).explored is None
    with pytest.raises(PoisonError, match=r"1\.5 is no share"):
        read_page(of_page({**told, "temperature": 0.0, "explored": 1.5}, 6.0))


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
