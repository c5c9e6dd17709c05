"""Bad input, line by line: a typed answer, no traceback in the log, and the server serves on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest

from api.fake import FakeServed, FakeServer, fake_catalog
from api.replies import ProblemReply
from genpage.catalog import Catalog
from genpage.entity import Entity

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
JSON = {"content-type": "application/json"}
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}
EVENT = {"user_id": "ada", "entity_id": "e1", "action": "play"}


@pytest.fixture(autouse=True)
async def serves_on(client: httpx.AsyncClient, fake: FakeServer) -> AsyncIterator[None]:
    """After each test: no traceback was logged, and the next page comes."""
    yield
    assert not [line for line in fake.logbook.lines if "exc_info" in line]
    assert (await client.post("/v1/pages", json=PAGE)).status_code == 200


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer's problem document, checked for what each must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    ProblemReply.model_validate(document)
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


def wrong_fields(answer: httpx.Response) -> list[str]:
    """The fields that a 422 names."""
    return [error["field"] for error in problem(answer, 422, "invalid-input")["errors"]]


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


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "applaud"}, "action"),
        ({"action": None}, "action"),
        ({"entity_id": ""}, "entity_id"),
        ({"entity_id": "x" * 129}, "entity_id"),
        ({"entity_id": 7}, "entity_id"),
        ({"user_id": "a\nb"}, "user_id"),
        ({"duration_s": -1.0}, "duration_s"),
        ({"duration_s": "60"}, "duration_s"),
        ({"ts": -1.0}, "ts"),
        ({"ts": "2026-05-01T20:00:00Z"}, "ts"),
        ({"row_pos": -1}, "row_pos"),
        ({"col_pos": 1.5}, "col_pos"),
        ({"watched": True}, "watched"),
    ],
)
async def test_a_wrong_field_of_an_event_is_named(
    client: httpx.AsyncClient, change: dict[str, object], field: str
) -> None:
    """Alone, in a list, and among a page's engagements."""
    wrong = {**EVENT, **change}
    assert wrong_fields(await client.post("/v1/events", json=wrong)) == [field]
    assert wrong_fields(await client.post("/v1/events", json=[EVENT, wrong])) == [f"1.{field}"]
    page = await client.post("/v1/pages", json={**PAGE, "engagements": [wrong]})
    assert wrong_fields(page) == [f"engagements.0.{field}"]


async def test_a_time_far_ahead_is_refused_with_the_limit(client: httpx.AsyncClient) -> None:
    """Five minutes of a client's clock are forgiven; milliseconds taken for seconds are not."""
    soon = {**EVENT, "ts": time.time() + 200}
    assert (await client.post("/v1/events", json=soon)).status_code == 202
    for ts in (time.time() + 400, time.time() * 1000):
        answer = await client.post("/v1/events", json={**EVENT, "ts": ts})
        assert wrong_fields(answer) == ["ts"]
        assert "5 minutes" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2026-05-01T20:00:00", "add Z or an offset"),
        ("yesterday", "ISO 8601"),
        (1_777_622_400, "ISO 8601"),
        ("9999-01-01T00:00:00Z", "one year ahead"),
        ("0001-01-01T00:00:00Z", "1970"),
        ("2026-13-01T00:00:00Z", "ISO 8601"),
    ],
)
async def test_a_wrong_clock_is_refused_with_the_way_out(
    client: httpx.AsyncClient, at: object, why: str
) -> None:
    """A naive time most of all: it would mean another moment on each machine."""
    answer = await client.post("/v1/pages", json={**PAGE, "at": at})
    assert wrong_fields(answer) == ["at"]
    assert why in answer.json()["detail"]


async def test_an_empty_body_is_refused(client: httpx.AsyncClient) -> None:
    """No body at all, and an empty document."""
    for path in ("/v1/pages", "/v1/events"):
        assert wrong_fields(await client.post(path, content=b"", headers=JSON)) == ["body"]
        assert wrong_fields(await client.post(path)) == ["body"]
    assert "user_id" in wrong_fields(await client.post("/v1/pages", json={}))
    assert wrong_fields(await client.post("/v1/events", json=[])) == ["body"]


async def test_ten_megabytes_are_refused_declared_or_streamed(client: httpx.AsyncClient) -> None:
    """By ``Content-Length`` before anything is read, and while reading without one."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65_536

    declared = await client.post("/v1/events", content=b" " * 10_485_760, headers=JSON)
    streamed = await client.post("/v1/events", content=chunks(), headers=JSON)
    for answer in (declared, streamed):
        assert "1048576 bytes" in problem(answer, 413, "too-large")["detail"]
    exact = orjson.dumps(PAGE).ljust(1_048_576)
    assert (await client.post("/v1/pages", content=exact, headers=JSON)).status_code == 200


@pytest.mark.parametrize(
    ("change", "field", "limit"),
    [
        ({"rows": 0}, "rows", "1"),
        ({"rows": -3}, "rows", "1"),
        ({"rows": 41}, "rows", "40"),
        ({"rows": 10_000}, "rows", "40"),
        ({"entities_per_row": 0}, "entities_per_row", "1"),
        ({"entities_per_row": 101}, "entities_per_row", "100"),
        ({"user_id": ""}, "user_id", "must be 1 to 128 printable characters"),
        ({"user_id": "x" * 129}, "user_id", "must be 1 to 128 printable characters"),
        ({"user_id": "a\x00b"}, "user_id", "must be 1 to 128 printable characters"),
        ({"user_id": "a\u200bb"}, "user_id", "must be 1 to 128 printable characters"),
        ({"exclude": ["a\n"]}, "exclude.0", "must be 1 to 128 printable characters"),
        ({"exclude": ["e1"] * 1_001}, "exclude", "1000"),
        ({"engagements": [EVENT] * 1_001}, "engagements", "1000"),
        ({"deadline_ms": 0}, "deadline_ms", "1"),
        ({"temperature": -0.1}, "temperature", "0"),
        ({"seed": -1}, "seed", "0"),
        ({"device": "fridge"}, "device", "'tv'"),
        ({"locale": "not a locale"}, "locale", "BCP 47 tag of at most 35 characters"),
        ({"locale": "en\n"}, "locale", "BCP 47 tag of at most 35 characters"),
        ({"locale": "en-" + "x-" * 20 + "x"}, "locale", "BCP 47 tag of at most 35 characters"),
    ],
)
async def test_a_field_past_its_limit_is_named_with_the_limit(
    client: httpx.AsyncClient, change: dict[str, object], field: str, limit: str
) -> None:
    """The text says what would have been allowed."""
    answer = await client.post("/v1/pages", json={**PAGE, **change})
    assert wrong_fields(answer) == [field]
    assert limit in answer.json()["detail"]


async def test_the_limits_themselves_are_allowed(client: httpx.AsyncClient) -> None:
    """40 rows, 100 entities a row, lists of 1,000, 128 characters of any script."""
    body = {
        "user_id": "\u00e9" * 128,
        "rows": 40,
        "entities_per_row": 100,
        "exclude": [f"x{n}" for n in range(1_000)],
        "engagements": [{"entity_id": "e1", "action": "play"}] * 1_000,
    }
    page = await client.post("/v1/pages", json=body)
    assert page.status_code == 200
    assert page.json()["finish_reason"] == "exhausted"
    events = [{**EVENT, "event_id": f"n{n}"} for n in range(1_000)]
    assert (await client.post("/v1/events", json=events)).json()["accepted"] == 1_000
    assert "1000" in (await client.post("/v1/events", json=[*events, EVENT])).json()["detail"]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
async def test_nan_and_infinity_are_refused(client: httpx.AsyncClient, number: bytes) -> None:
    """Wherever a number may stand."""
    for field in (b"temperature", b"rows", b"seed"):
        body = b'{"user_id":"ada","%b":%b}' % (field, number)
        answer = await client.post("/v1/pages", content=body, headers=JSON)
        assert wrong_fields(answer) == [field.decode()]
    for field in (b"ts", b"duration_s"):
        body = b'{"user_id":"ada","entity_id":"e1","action":"play","%b":%b}' % (field, number)
        answer = await client.post("/v1/events", content=body, headers=JSON)
        assert wrong_fields(answer) == [field.decode()]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": 17}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"rows": "10"}, "rows"),
        ({"rows": 2.5}, "rows"),
        ({"rows": True}, "rows"),
        ({"rows": [3]}, "rows"),
        ({"exclude": "e1"}, "exclude"),
        ({"exclude": [1]}, "exclude.0"),
        ({"engagements": {}}, "engagements"),
        ({"continue_from": 5}, "continue_from"),
        ({"row": 10}, "row"),
    ],
)
async def test_wrong_types_and_unknown_fields_are_named(
    client: httpx.AsyncClient, change: dict[str, object], field: str
) -> None:
    """Nothing is guessed: a number in quotes is a string."""
    assert wrong_fields(await client.post("/v1/pages", json={**PAGE, **change})) == [field]


@pytest.mark.parametrize(
    "body",
    [b"{", b"not json", b'{"user_id": "ada",}', b"\xff\xfe\x00", b"[" * 20_000, b"1" * 10_000],
)
async def test_what_is_no_json_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    """Broken syntax, other encodings, depths and numbers made to hurt."""
    for path in ("/v1/pages", "/v1/events"):
        answer = await client.post(path, content=body, headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["code"] in {"invalid-json", "bad-request"}
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"null", b"[]", b'"x"', b"7", b"true"])
async def test_json_that_is_no_object_is_422(client: httpx.AsyncClient, body: bytes) -> None:
    """A page is asked for with an object."""
    answer = await client.post("/v1/pages", content=body, headers=JSON)
    assert wrong_fields(answer) == ["body"]


async def test_half_of_a_surrogate_pair_is_refused(client: httpx.AsyncClient) -> None:
    """It is no character, so it cannot be printed."""
    body = b'{"user_id":"\\ud83d"}'
    assert wrong_fields(await client.post("/v1/pages", content=body, headers=JSON)) == ["user_id"]


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


async def test_another_members_engagement_is_refused(client: httpx.AsyncClient) -> None:
    """What somebody else did cannot be on this member's page."""
    body = {**PAGE, "engagements": [{**EVENT, "user_id": "bob"}]}
    answer = await client.post("/v1/pages", json=body)
    assert "engagements.0.user_id" in problem(answer, 422, "invalid-input")["detail"]


async def test_a_list_with_one_bad_event_is_taken_not_at_all(client: httpx.AsyncClient) -> None:
    """The good ones before the bad one are not known afterwards."""
    answer = await client.post("/v1/events", json=[EVENT, {**EVENT, "action": "applaud"}])
    assert wrong_fields(answer) == ["1.action"]
    problem(await client.get("/v1/users/ada/context"), 404, "not-found")


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


async def test_a_browser_must_label_its_body(client: httpx.AsyncClient) -> None:
    """Another site's page cannot post without asking first; ``curl -d`` still works."""
    body = orjson.dumps(EVENT)
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client.post("/v1/events", content=body, headers=form)).status_code == 202
    assert (await client.post("/v1/events", content=body)).status_code == 202
    for label in (form, {"content-type": "text/plain"}, {}):
        headers = {**label, "origin": "https://elsewhere.example"}
        answer = await client.post("/v1/events", content=body, headers=headers)
        problem(answer, 415, "unsupported-media-type")
    labelled = {"content-type": "application/json; charset=utf-8", "origin": "http://localhost"}
    assert (await client.post("/v1/events", content=body, headers=labelled)).status_code == 202


async def test_a_long_body_behind_a_stream_ends_it_quietly(client: httpx.AsyncClient) -> None:
    """Nobody reads a GET's body: past the limit its sender counts as gone."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    page_id = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    for path in (f"/v1/pages/{page_id}/events", f"/v1/pages/{page_id}"):
        answer = await client.request("GET", path, content=endless())
        assert answer.status_code == 200


@pytest.mark.parametrize("length", [b"\xb2", b"9" * 5_000, b"-1", b"1e9", b" "])
async def test_a_strange_content_length_breaks_nothing(
    client: httpx.AsyncClient, length: bytes
) -> None:
    """Digits that are no decimal, more of them than a number may have, and no number at all."""
    headers = [(b"content-length", length), (b"content-type", b"application/json")]
    answer = await client.post("/v1/pages", content=orjson.dumps(PAGE), headers=headers)
    assert answer.status_code in {200, 413}
    assert answer.status_code == 200 or problem(answer, 413, "too-large")


@pytest.mark.parametrize(
    "value",
    [
        *(b"1" + b"0" * n for n in (400, 5_000)),
        *(b"-0", b"5e-324", b"true", b"null", b"[[[1]]]", b"[" * 100_000, b'{"a":' * 2_000),
        *(b'"\\ud800"', b'"\\u0000"', b'"\xff"', b'"\xed\xa0\x80"'),
    ],
    ids=lambda value: str(value[:12]),
)
async def test_nothing_that_json_can_say_breaks_the_server(
    client: httpx.AsyncClient, value: bytes
) -> None:
    """In any field, under a name that is no text, as an element and as the whole body."""
    fields = [*PAGE, "at", "exclude", "engagements", "seed", "temperature", "deadline_ms"]
    fields += [*EVENT, "ts", "duration_s", "row_pos", "\\ud800"]
    for path, whole in (("/v1/pages", PAGE), ("/v1/events", EVENT)):
        bodies = [value, b"[%b]" % value]
        for name in fields:
            rest = orjson.dumps({key: held for key, held in whole.items() if key != name})
            bodies.append(b'%b,"%b":%b}' % (rest[:-1], name.encode(), value))
        for body in bodies:
            answer = await client.post(path, content=body, headers=JSON)
            assert answer.status_code in {200, 202, 400, 422}, body[:200]


@pytest.mark.parametrize("given", [b"\xb2", b":", b"\xff\xfe:1", b"x:-1", b"9" * 5_000, b"a:b:c"])
async def test_garbage_for_a_last_event_id_is_refused(
    client: httpx.AsyncClient, given: bytes
) -> None:
    """Whatever bytes a header can carry."""
    page = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    for value in (given, page.encode() + given):
        answer = await client.get(f"/v1/pages/{page}/events", headers={b"last-event-id": value})
        problem(answer, 422, "invalid-input")
