"""Pages as JSON: negotiation, reading, following, stopping, deadlines."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from api.accept import wants_stream
from api.fake import FakeServed, FakeServer
from api.replies import PageReply
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.event import Event
from genpage.profile import Profile
from genpage.row import Row

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "ada", "rows": 3, "entities_per_row": 4}
STREAM = {"accept": "text/event-stream"}


async def streamed(client: httpx.AsyncClient, body: object) -> list[ServerSentEvent]:
    """A page's events, by a client library."""
    async with aconnect_sse(client, "POST", "/v1/pages", json=body) as source:
        # The library hands out the `retry` block as an event without data.
        return [event async for event in source.aiter_sse() if event.data]


@pytest.mark.parametrize(
    ("accept", "stream"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", False),
        ("text/event-stream", True),
        ("text/event-stream, application/json", True),
        ("TEXT/EVENT-STREAM;charset=utf-8, */*;q=0.1", True),
        ("application/json, text/event-stream;q=0.5", False),
        ("application/json;q=0.5, text/event-stream", True),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=lots", False),
        (",;,", False),
    ],
)
def test_accept_decides_between_stream_and_json(accept: str | None, stream: bool) -> None:
    """JSON unless the stream is named and weighs as much."""
    assert wants_stream(accept) is stream


async def test_the_page_as_json_is_the_stream_gathered(client: httpx.AsyncClient) -> None:
    """The same page read three ways: streamed, asked for by id, and gathered at once."""
    events = await streamed(client, PAGE)
    start, *rows, end = [orjson.loads(event.data) for event in events]
    read = (await client.get(f"/v1/pages/{start['page_id']}")).json()
    assert {**start, "rows": rows, "state": "finished"} == {
        key: value for key, value in read.items() if key in {*start, "rows", "state"}
    }
    assert {key: read[key] for key in end if key != "rows"} == {
        key: value for key, value in end.items() if key != "rows"
    }
    assert (start["rows"], end["rows"]) == (3, 3)
    gathered = (await client.post("/v1/pages", json=PAGE)).json()
    PageReply.model_validate(gathered)
    assert [row["row"] for row in gathered["rows"]] == [row["row"] for row in rows]
    assert [row["entities"] for row in gathered["rows"]] == [row["entities"] for row in rows]
    assert [row["index"] for row in gathered["rows"]] == [0, 1, 2]
    assert gathered["finish_reason"] == "complete"


async def test_a_page_says_what_made_it(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """Model, catalog and context versions, and how many tokens and passes it took."""
    await fake.contexts.put_profile(Profile("ada", country="NZ", ts=1.0))
    await fake.contexts.apply([Event("1", "ada", "e1", "play", 2.0)])
    page = (await client.post("/v1/pages", json=PAGE)).json()
    assert page["model"] == {"version": "fake-1", "digest": "f" * 64}
    active = fake.models.active
    assert active is not None
    assert page["catalog_version"] == active.catalog.version
    assert page["context"]["version"] == "2"
    assert page["context"]["known"] is True
    assert page["context"]["age_ms"] > 0
    assert page["degraded"] == []
    assert page["prompt_tokens"] > 10
    assert page["forward_passes"] >= 11
    assert page["timing"]["total_ms"] == pytest.approx(
        sum(page["timing"][f"{part}_ms"] for part in ("queue", "prefill", "decode")), abs=0.01
    )


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        (Profile("ada", ts=1.0), {"id": "e0", "title": "Noir 0"}),
        (Profile("ada", None, "kid"), None),
    ],
)
async def test_a_row_says_what_was_watched(
    start: Start, profile: Profile, named: dict[str, str] | None
) -> None:
    """By name, unless the member may not be shown that name; no other row says anything."""
    noirs = [
        Entity(f"e{n}", "film", f"Noir {n}", genres=("Noir",), maturity=0 if n else 16)
        for n in range(20)
    ]
    rows = [Row("because", "because", "Because You Watched"), Row("all", "browse", "All")]
    fake = FakeServer.of(served=FakeServed.of(Catalog.build(noirs, rows)))
    client = await start(fake)
    await fake.contexts.put_profile(profile)
    await fake.contexts.apply([Event("1", "ada", "e0", "play", 2.0)])
    page = (await client.post("/v1/pages", json={**PAGE, "rows": 2})).json()
    PageReply.model_validate(page)
    heads = {row["row"]["id"]: row["row"] for row in page["rows"]}
    assert heads["because"]["title"] == "Because You Watched"
    assert heads["because"].get("because") == named
    assert "because" not in heads["all"]


async def test_a_warm_prompt_is_found_in_the_kv_cache(client: httpx.AsyncClient) -> None:
    """The member's second page recomputes only the prompt's last token."""
    body = {**PAGE, "at": "2026-05-01T20:00:00Z"}
    first = (await client.post("/v1/pages", json=body)).json()
    second = (await client.post("/v1/pages", json=body)).json()
    assert first["cached_prompt_tokens"] == 0
    assert second["cached_prompt_tokens"] == second["prompt_tokens"] - 1
    assert [row["entities"] for row in first["rows"]] == [row["entities"] for row in second["rows"]]


async def test_exclude_and_rejections_are_obeyed(client: httpx.AsyncClient) -> None:
    """What is excluded, or disliked on the page so far, does not come."""
    page = (await client.post("/v1/pages", json=PAGE)).json()
    first, second, *_ = [e["id"] for row in page["rows"] for e in row["entities"]]
    disliked = {"entity_id": second, "action": "thumbs_down"}
    body = {**PAGE, "exclude": [first], "engagements": [disliked]}
    other = (await client.post("/v1/pages", json=body)).json()
    shown = {e["id"] for row in other["rows"] for e in row["entities"]}
    assert not shown & {first, second}


async def test_at_sets_the_clock_and_hides_later_events(client: httpx.AsyncClient) -> None:
    """An event after ``at`` changes nothing of the page; without ``at`` it does."""
    body = {**PAGE, "at": "2026-05-01T20:00:00Z"}
    before = (await client.post("/v1/pages", json=body)).json()
    await client.post("/v1/events", json={"user_id": "ada", "entity_id": "e9", "action": "play"})
    hidden = (await client.post("/v1/pages", json=body)).json()
    assert hidden["prompt_tokens"] == before["prompt_tokens"]
    assert [row["entities"] for row in hidden["rows"]] == [r["entities"] for r in before["rows"]]
    assert hidden["context"]["version"] == "1"
    now = (await client.post("/v1/pages", json=PAGE)).json()
    assert now["prompt_tokens"] > before["prompt_tokens"]


async def test_an_event_of_a_fast_clock_counts_at_once(client: httpx.AsyncClient) -> None:
    """Without ``at`` nothing that was accepted is hidden, even if its clock runs ahead of ours."""
    before = (await client.post("/v1/pages", json=PAGE)).json()
    ahead = {"user_id": "ada", "entity_id": "e9", "action": "play", "ts": time.time() + 120}
    assert (await client.post("/v1/events", json=ahead)).status_code == 202
    after = (await client.post("/v1/pages", json=PAGE)).json()
    assert after["prompt_tokens"] > before["prompt_tokens"]


async def test_seed_and_temperature_decide_the_page(client: httpx.AsyncClient) -> None:
    """The same seed gives the same page, another seed another."""
    body = {**PAGE, "temperature": 1.0, "at": "2026-05-01T20:00:00Z"}

    async def shown(seed: int) -> list[list[dict[str, Any]]]:
        page = (await client.post("/v1/pages", json={**body, "seed": seed})).json()
        return [row["entities"] for row in page["rows"]]

    assert await shown(1) == await shown(1)
    assert await shown(1) != await shown(2)


async def test_a_deadline_ends_the_page_with_what_there_is(
    start: Start, eventually: Eventually
) -> None:
    """When its time is up the page ends as ``deadline``, with the rows that were ready."""
    times = [100.0]
    fake = FakeServer.of(clock=lambda: times[-1])
    client = await start(fake)
    fake.backend.hold()
    fake.backend.let(4)
    asked = asyncio.ensure_future(client.post("/v1/pages", json={**PAGE, "deadline_ms": 30}))
    await eventually(lambda: fake.backend.begun == 5)
    times.append(100.03)
    fake.backend.open()
    fake.backend.let(1_000)
    page = (await asked).json()
    assert page["finish_reason"] == "deadline"
    assert len(page["rows"]) == 1
    assert page["timing"]["total_ms"] == pytest.approx(30)


async def test_a_stopped_page_keeps_its_rows(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """DELETE ends every stream of the page with ``cancelled``; asking again changes nothing."""
    fake.backend.hold()
    fake.backend.let(5)  # the prompt, three entities, and the fill
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: bool(fake.server.pages.store.running()))
    (page,) = fake.server.pages.store.running()
    await eventually(lambda: len(page.rows) == 1)
    stopped = asyncio.ensure_future(client.delete(f"/v1/pages/{page.page_id}"))
    await eventually(lambda: page.stopped)
    fake.backend.open()
    assert (await stopped).status_code == 204
    gathered = (await asked).json()
    assert gathered["finish_reason"] == "cancelled"
    assert 1 <= len(gathered["rows"]) < 3
    assert (await client.delete(f"/v1/pages/{page.page_id}")).status_code == 204
    assert (await client.get(f"/v1/pages/{page.page_id}")).json() == gathered
    assert await fake.is_idle()


async def test_following_a_finished_page_replays_it_and_ends(client: httpx.AsyncClient) -> None:
    """From the start, from the middle, and 204 past the end."""
    page_id = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    path = f"/v1/pages/{page_id}/events"

    async def after(number: int) -> list[str]:
        headers = {"last-event-id": f"{page_id}:{number}"}
        async with aconnect_sse(client, "GET", path, headers=headers) as source:
            return [event.id async for event in source.aiter_sse() if event.data]

    async with aconnect_sse(client, "GET", path) as source:
        ids = [event.id async for event in source.aiter_sse() if event.data]
    assert ids == [f"{page_id}:{n}" for n in range(5)]
    assert await after(1) == ids[2:]
    assert await after(3) == ids[4:]
    for number in (4, 5, 1_000):
        answer = await client.get(path, headers={"last-event-id": f"{page_id}:{number}"})
        assert (answer.status_code, answer.content) == (204, b"")


async def test_a_running_page_reads_as_far_as_it_got(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """GET does not wait: the state says that more will come."""
    fake.backend.hold()
    fake.backend.let(5)  # the prompt, three entities, and the fill
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: bool(fake.server.pages.store.running()))
    (page,) = fake.server.pages.store.running()
    await eventually(lambda: len(page.rows) == 1)
    partly = (await client.get(f"/v1/pages/{page.page_id}")).json()
    PageReply.model_validate(partly)
    assert (partly["state"], partly["finish_reason"], len(partly["rows"])) == ("running", None, 1)
    fake.backend.open()
    fake.backend.let(1_000)
    await asked


async def test_no_bundle_is_503_and_not_ready(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """A server may start before its first bundle is there."""
    fake.models.active = None
    answer = await client.post("/v1/pages", json=PAGE)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["bundle"]) == (503, "none")
    assert (await client.get("/v1/models")).json() == {
        "active": None,
        "previous": None,
        "loaded": [],
    }
