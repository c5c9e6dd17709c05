"""Request ids, one log line a request, and the last resort."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Receive, Scope, Send

from api.access import Access
from api.fake import FakeServer, Logbook
from api.metrics import Metrics

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
PAGE = {"user_id": "secret-member", "rows": 1, "entities_per_row": 1}


@pytest.mark.parametrize("given", ["abc", "0af7651916cd43dd8448eb211c80319c", "a.b_c:d-1"])
async def test_a_clients_own_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    """In the answer, in a problem document, and in the log."""
    answer = await client.get("/v1/pages/none", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", 'a"b', "\u00e9"])
async def test_a_strange_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    """Nothing that could break a log or a page is echoed."""
    headers = [(b"X-Request-Id", given.encode())]
    answer = await client.get("/livez", headers=headers)
    assert answer.headers["x-request-id"] not in {given, ""}


async def test_a_request_is_one_line_without_member_data(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """The route's template, the status, the time; never a path, a member or a body."""
    await client.post("/v1/pages", json=PAGE)
    await client.get("/v1/users/secret-member/context")
    await client.post("/v1/events", json={"user_id": "secret-member", "entity_id": 7})
    lines = [line for line in fake.logbook.lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/pages", 200),
        ("GET", "/v1/users/{user_id:path}/context", 404),
        ("POST", "/v1/events", 422),
    ]
    assert all(line["ms"] > 0 for line in lines)
    assert "page_id" in lines[0]
    assert "secret-member" not in repr(fake.logbook.lines)


async def test_files_and_the_document_are_named_too(
    client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """The browser's files count as one route, whichever was asked for."""
    for path in ("/", "/web/app.js", "/web/none.js", "/openapi.json", "/none"):
        await client.get(path)
    routes = [line["route"] for line in fake.logbook.lines if line["event"] == "request"]
    assert routes == ["/", "/web", "/web", "/openapi.json", "unmatched"]


async def test_probes_are_logged_quietly(client: httpx.AsyncClient, fake: FakeServer) -> None:
    """Every few seconds a probe comes; at the usual level nothing is written."""
    await client.get("/livez")
    (line,) = [line for line in fake.logbook.lines if line["event"] == "request"]
    assert line["log_level"] == "debug"


async def test_a_bug_is_a_500_with_an_id_and_a_traceback_in_the_log(
    app: FastAPI, client: httpx.AsyncClient, fake: FakeServer
) -> None:
    """The client learns nothing of the inside; the log has it under the same id."""

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the inside")

    answer = await client.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "inside" not in answer.text
    crash = next(line for line in fake.logbook.lines if line["event"] == "unhandled")
    assert crash["exc_info"]
    assert crash["request_id"] == answer.json()["request_id"]
    assert (await client.get("/livez")).status_code == 200


async def test_a_bug_after_the_answer_began_closes_the_connection() -> None:
    """Half an answer cannot be taken back: the server is told, which hangs up."""

    async def breaks(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("the inside")

    async def nothing() -> dict[str, object]:
        return {"type": "http.disconnect"}

    sent: list[object] = []

    async def collect(message: object) -> None:
        sent.append(message)

    logbook = Logbook()
    access = Access(breaks, log=logbook.logger(), metrics=Metrics())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(RuntimeError, match="inside"):
        await access(scope, nothing, collect)
    assert len(sent) == 1
    assert [line["event"] for line in logbook.lines] == ["unhandled", "request"]


async def test_requests_are_counted_by_route_not_by_path(client: httpx.AsyncClient) -> None:
    """Labels stay bounded whatever is asked for."""
    for n in range(5):
        await client.get(f"/v1/pages/{n}")
        await client.get(f"/nowhere/{n}")
        await client.request(f"METHOD{n}", "/livez")
    text = (await client.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["genpage_http_requests"].samples
    counted = {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in samples
        if s.name.endswith("_total")
    }
    assert counted == {
        ("GET", "/v1/pages/{page_id}", "404"): 5,
        ("GET", "unmatched", "404"): 5,
        ("OTHER", "/livez", "405"): 5,
    }
