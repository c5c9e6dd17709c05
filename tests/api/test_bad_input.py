"""What is not there, or not so: a typed answer, no traceback in the log, and it serves on."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from problems import problem

from api.fake import FakeServed, FakeServer, fake_catalog
from genpage.catalog import Catalog
from genpage.entity import Entity

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
pytestmark = pytest.mark.usefixtures("serves_on")
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}
EVENT = {"user_id": "ada", "entity_id": "e1", "action": "play"}


async def test_an_unknown_member_gets_a_page_that_says_so(client: httpx.AsyncClient) -> None:
    """Cold start: ``known`` is false, there is no age, and the page is complete."""
    page = (await client.post("/v1/pages", json=PAGE)).json()
    assert page["context"] == {"version": "0", "age_ms": None, "known": False}
    assert page["finish_reason"] == "complete"


async def test_an_unknown_entity_is_accepted_everywhere(client: httpx.AsyncClient) -> None:
    """Events, engagements and exclusions may name titles that the catalog lacks."""
    strange = {**EVENT, "entity_id": "brand-new", "row_id": "no-such-row"}
    assert (await client.post("/v1/events", json=strange)).status_code == 202
    body = {**PAGE, "exclude": ["never-heard-of"], "engagements": [strange]}
    page = await client.post("/v1/pages", json=body)
    assert page.status_code == 200
    assert page.json()["context"]["known"] is True


async def test_duplicated_ids_count_once(client: httpx.AsyncClient) -> None:
    """Within a list and across lists; a repeated exclusion is harmless."""
    event = {**EVENT, "event_id": "same"}
    for body in ([event, event], event):
        assert (await client.post("/v1/events", json=body)).status_code == 202
    context = (await client.get("/v1/users/ada/context")).json()
    assert [one["event_id"] for one in context["events"]] == ["same"]
    assert context["version"] == "1"
    page = await client.post("/v1/pages", json={**PAGE, "exclude": ["e1", "e1"]})
    assert page.status_code == 200


async def test_a_page_that_never_was_is_404(client: httpx.AsyncClient) -> None:
    """On every route that names a page, and as the page to continue."""
    ghost = "0" * 32
    answers = [
        await client.get(f"/v1/pages/{ghost}"),
        await client.get(f"/v1/pages/{ghost}/events"),
        await client.get(f"/v1/pages/{ghost}/prompt"),
        await client.delete(f"/v1/pages/{ghost}"),
        await client.post("/v1/pages", json={**PAGE, "continue_from": ghost}),
    ]
    for answer in answers:
        assert not problem(answer, 404, "not-found")["retryable"]


async def test_a_catalog_with_nothing_for_the_country_gives_an_empty_page(start: Start) -> None:
    """No row can be filled: the page is exhausted, and says so at once."""
    films = [Entity(f"e{n}", "film", f"Film {n}", countries=("NZ",)) for n in range(50)]
    served = FakeServed.of(Catalog.build(films, fake_catalog(rows=3).rows))
    client = await start(FakeServer.of(served=served))
    elsewhere = (await client.post("/v1/pages", json={**PAGE, "locale": "fr-FR"})).json()
    assert elsewhere["rows"] == []
    assert elsewhere["finish_reason"] == "exhausted"
    home = (await client.post("/v1/pages", json={**PAGE, "locale": "en-NZ"})).json()
    assert len(home["rows"]) == 2


async def test_more_than_the_model_holds_is_refused_at_the_door(start: Start) -> None:
    """A page that may outgrow its KV slot is a 422 with the numbers, not a failure half way."""
    served = FakeServed.of(fake_catalog())
    served.backend.capacity = 200
    fake = FakeServer.of(served=served)
    client = await start(fake)
    answer = await client.post("/v1/pages", json={**PAGE, "rows": 20, "entities_per_row": 20})
    detail = problem(answer, 422, "invalid-input")["detail"]
    assert "this model holds 200" in detail
    assert fake.server.pages.admission.taken == 0


@pytest.mark.parametrize("value", ["nonsense", "x:1", "{id}:", "{id}:-1", "{id}:9999999"])
async def test_a_strange_last_event_id_is_refused(client: httpx.AsyncClient, value: str) -> None:
    """Only an id of this page's own events says where to go on."""
    page_id = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    headers = {"last-event-id": value.format(id=page_id)}
    answer = await client.get(f"/v1/pages/{page_id}/events", headers=headers)
    assert "Last-Event-ID" in problem(answer, 422, "invalid-input")["detail"]


async def test_an_event_that_a_running_page_has_not_said_is_refused(
    client: httpx.AsyncClient, fake: FakeServer, eventually: Eventually
) -> None:
    """Nobody can have seen it, and the stream behind it would end without its page's end."""
    fake.backend.hold()
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: fake.backend.begun > 0)
    (page,) = fake.server.pages.store.running()
    for number in (1, 2, 1_000):
        headers = {"last-event-id": f"{page.page_id}:{number}"}
        answer = await client.get(f"/v1/pages/{page.page_id}/events", headers=headers)
        assert f"{page.page_id}:0" in problem(answer, 422, "invalid-input")["detail"]
    fake.backend.open()
    fake.backend.let(1_000)
    await asked


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("POST", "/v1/pages/x", 405, "method-not-allowed"),
        ("GET", "/v1/pages/", 404, "not-found"),
        ("GET", "/web/nothing.js", 404, "not-found"),
        ("GET", "/web/__init__.py", 404, "not-found"),
        ("GET", "/web/../pyproject.toml", 404, "not-found"),
        ("GET", "/v1/pages", 405, "method-not-allowed"),
        ("PUT", "/v1/events", 405, "method-not-allowed"),
        ("POST", "/livez", 405, "method-not-allowed"),
        ("BREW", "/v1/pages", 405, "method-not-allowed"),
    ],
)
async def test_routes_that_are_not_there_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    """Whatever the framework refuses by itself looks like all other errors."""
    answer = await client.request(method, path)
    problem(answer, status, code)
    assert status != 405 or answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/pages", "POST"),
        ("/v1/pages/x", "GET, HEAD, DELETE"),
        ("/v1/pages/x/events", "GET"),
        ("/v1/users/x/context", "GET, HEAD, DELETE"),
        ("/livez", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    """All that the path has, not those of one route."""
    answer = await client.put(path)
    assert answer.headers["allow"] == allowed
    assert allowed in problem(answer, 405, "method-not-allowed")["detail"]


@pytest.mark.parametrize("given", [b"\xb2", b":", b"\xff\xfe:1", b"x:-1", b"9" * 5_000, b"a:b:c"])
async def test_garbage_for_a_last_event_id_is_refused(
    client: httpx.AsyncClient, given: bytes
) -> None:
    """Whatever bytes a header can carry."""
    page = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    for value in (given, page.encode() + given):
        answer = await client.get(f"/v1/pages/{page}/events", headers={b"last-event-id": value})
        problem(answer, 422, "invalid-input")
