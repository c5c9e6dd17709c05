"""Bodies that nobody should send: a typed answer whatever the bytes are, and it serves on."""

from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
from problems import problem, wrong_fields

pytestmark = pytest.mark.usefixtures("serves_on")
JSON = {"content-type": "application/json"}
PAGE = {"user_id": "ada", "rows": 2, "entities_per_row": 3}
EVENT = {"user_id": "ada", "entity_id": "e1", "action": "play"}


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
