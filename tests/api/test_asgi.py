"""Streams spoken by hand: what leaves when, and what a departure stops."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from api import sse
from api.fake import FakeServer
from benchmarks import asgi_client

Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]


class Call(asgi_client.Call):
    """A request that is under way once it is made, and what streams of pages say."""

    def __init__(
        self,
        app: FastAPI,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(app, method, path, b"" if body is None else orjson.dumps(body), headers)
        self.task = asyncio.ensure_future(self.run())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that were sent so far."""
        blocks = self.body.decode().split("\n\n")
        lines = [b.split("\ndata: ", 1)[1] for b in blocks if b.startswith("event: row\n")]
        return [orjson.loads(line) for line in lines]

    @property
    def page_id(self) -> str:
        """The id in ``page.start``."""
        return self.body.decode().split("id: ", 1)[1].split(":", 1)[0]


def ask(app: FastAPI, **body: object) -> Call:
    """Ask for a page as an event stream."""
    asked = {"user_id": "ada", "rows": 4, "entities_per_row": 5, **body}
    return Call(app, "POST", "/v1/pages", asked, {"accept": "text/event-stream"})


async def test_the_wire_is_protocols_to_the_byte(app: FastAPI) -> None:
    """Field order, ids, blank lines, one JSON document a data line, and the headers."""
    call = ask(app, rows=2)
    await call.task
    start = call.sent[0]
    headers = {k.decode(): v.decode() for k, v in start["headers"]}
    assert start["status"] == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers
    assert "content-encoding" not in headers
    assert call.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    retry, *events, rest = call.body.decode().split("\n\n")
    assert (retry, rest) == ("retry: 2000", "")
    names = [event.splitlines()[0] for event in events]
    assert names == ["event: page.start", "event: row", "event: row", "event: page.end"]
    for number, event in enumerate(events):
        name, identifier, data = event.splitlines()
        assert name.startswith("event: ")
        assert identifier == f"id: {call.page_id}:{number}"
        orjson.loads(data.removeprefix("data: "))


async def test_a_row_leaves_before_the_next_is_decoded(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """With the engine held after the first row, that row is at the client and no other is made."""
    fake.backend.hold()
    call = ask(app)
    fake.backend.let(5)  # the prompt, three entities, and the fill that ends the first row
    await eventually(lambda: len(call.rows) == 1)
    page = fake.server.pages.store.get(call.page_id)
    assert page.state == "running"
    assert len(page.rows) == 1
    fake.backend.open()
    fake.backend.let(1_000)
    await call.task
    assert len(call.rows) == 4


async def test_a_departure_stops_decoding_and_frees_the_slot(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """The engine's own books show no page and every slot free, with rows still to decode."""
    fake.backend.hold()
    call = ask(app)
    fake.backend.let(5)
    await eventually(lambda: len(call.rows) == 1)
    call.leave()
    await call.task
    fake.backend.let(1)  # the pass that was under way
    await eventually(fake.is_idle)
    page = fake.server.pages.store.get(call.page_id)
    await eventually(lambda: page.state == "paused")
    assert len(page.rows) < 4
    assert fake.server.worker.open == 0
    await eventually(lambda: fake.server.pages.admission.taken == 0)


def counted(fake: FakeServer) -> tuple[float, ...]:
    """Pages counted as cancelled, pages counted as complete, pages in the histogram."""
    model = fake.server.models.active
    assert model is not None
    version, read = {"version": model.version}, fake.server.metrics.registry.get_sample_value
    by_reason = [
        read("genpage_pages_total", {**version, "reason": reason})
        for reason in ("cancelled", "complete")
    ]
    return tuple(
        value or 0.0 for value in (*by_reason, read("genpage_page_seconds_count", version))
    )


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_an_abandoned_page_is_counted_as_cancelled(
    app: FastAPI, fake: FakeServer, eventually: Eventually, accept: str
) -> None:
    """Once, when decoding stops; one that is taken up again counts by its next end as well."""
    fake.backend.hold()
    call = Call(app, "POST", "/v1/pages", {"user_id": "ada"}, {"accept": accept})
    await eventually(lambda: fake.server.worker.open == 1)
    call.leave()
    await call.task
    fake.backend.let(1)
    await eventually(lambda: counted(fake) == (1, 0, 1))
    (page,) = fake.server.pages.store.of_member("ada")
    fake.backend.open()
    await Call(app, "GET", f"/v1/pages/{page.page_id}/events").task
    assert counted(fake) == (1, 1, 2)


async def test_a_deleted_page_is_counted_as_cancelled_once(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """While it was decoded, or after its client had left."""
    fake.backend.hold()
    streamed, deserted = ask(app), ask(app)
    await eventually(lambda: fake.server.worker.open == 2)
    deserted.leave()
    await deserted.task
    deletes = [Call(app, "DELETE", f"/v1/pages/{call.page_id}") for call in (streamed, deserted)]
    pages = fake.server.pages.store.of_member("ada")
    await eventually(lambda: all(page.stopped for page in pages))
    fake.backend.open()
    for delete in deletes:
        await delete.task
        assert delete.status == 204
    await streamed.task
    assert counted(fake) == (2, 0, 2)


async def test_a_client_that_is_gone_before_the_answer_leaves_nothing_behind(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """A stream that never starts gives its permit and its slot back as well."""
    fake.backend.hold()
    call = Call(app, "POST", "/v1/pages", {"user_id": "ada"}, {"accept": "text/event-stream"})
    call.leave()
    await call.task
    fake.backend.let(1)
    await eventually(fake.is_idle)
    await eventually(lambda: fake.server.pages.admission.taken == 0)


async def test_a_cancelled_request_gives_its_permit_back(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """A server that cancels the request's task leaves no page decoding."""
    fake.backend.hold()
    call = ask(app)
    await eventually(lambda: call.status is not None)
    call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.task
    fake.backend.let(1)
    await eventually(fake.is_idle)
    await eventually(lambda: fake.server.pages.admission.taken == 0)


async def test_a_departure_during_json_stops_decoding_too(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """Nobody waits for the gathered page: it is paused, and nothing is sent."""
    fake.backend.hold()
    call = Call(app, "POST", "/v1/pages", {"user_id": "ada"})
    await eventually(lambda: fake.server.worker.open == 1)
    call.leave()
    await call.task
    fake.backend.let(2)
    await eventually(fake.is_idle)
    assert call.sent == []


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("passes", [0, 1, 3, 5, 6, 11])
async def test_a_page_taken_up_again_is_the_page_uninterrupted(
    app: FastAPI,
    fake: FakeServer,
    eventually: Eventually,
    passes: int,
    temperature: float,
) -> None:
    """Wherever it was left, ``Last-Event-ID`` misses and repeats nothing, token for token."""
    body = {"temperature": temperature, "seed": 7, "at": "2026-05-01T20:00:00Z"}
    whole = ask(app, **body)
    await whole.task
    begun = fake.backend.begun
    fake.backend.hold()
    call = ask(app, **body)
    fake.backend.let(passes)
    await eventually(lambda: fake.backend.begun == begun + passes + 1)
    await eventually(lambda: call.body.count(b"event: row") == passes // 5)
    call.leave()
    await call.task
    fake.backend.open()
    fake.backend.let(1_000)
    seen = call.body.count(b"\nid: ")
    headers = {"last-event-id": f"{call.page_id}:{seen - 1}"}
    again = Call(app, "GET", f"/v1/pages/{call.page_id}/events", headers=headers)
    await again.task
    rows = [{**row, "timing": None} for row in (*call.rows, *again.rows)]
    assert rows == [{**row, "timing": None} for row in whole.rows]
    ids = [line for line in (call.body + again.body).decode().splitlines() if line[:3] == "id:"]
    assert ids == [f"id: {call.page_id}:{n}" for n in range(6)]


async def test_a_resumption_counts_no_wait_as_an_interval(
    app: FastAPI, fake: FakeServer, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first row after it waited for a slot and a prompt; it is no page's first either."""
    told: list[str] = []
    for name in ("first_row", "row"):
        monkeypatch.setattr(fake.server.metrics, name, lambda *_, name=name: told.append(name))
    fake.backend.hold()
    call = ask(app)
    fake.backend.let(5)
    await eventually(lambda: call.body.count(b"event: row") == 1)
    call.leave()
    await call.task
    fake.backend.open()
    fake.backend.let(1_000)
    again = Call(app, "GET", f"/v1/pages/{call.page_id}/events")
    await again.task
    assert len(again.rows) == 4
    assert told == ["first_row", "row", "row"]


async def test_two_clients_read_the_same_bytes(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """A second client of a running page gets what the first got, from its start."""
    fake.backend.hold()
    first = ask(app)
    await eventually(lambda: bool(first.body))
    second = Call(app, "GET", f"/v1/pages/{first.page_id}/events")
    fake.backend.open()
    fake.backend.let(1_000)
    await asyncio.gather(first.task, second.task)
    assert first.body == second.body


async def test_one_of_two_clients_may_leave(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """Decoding goes on as long as anybody listens."""
    fake.backend.hold()
    first = ask(app)
    await eventually(lambda: bool(first.body))
    second = Call(app, "GET", f"/v1/pages/{first.page_id}/events")
    await eventually(lambda: bool(second.body))
    first.leave()
    await first.task
    fake.backend.open()
    fake.backend.let(1_000)
    await second.task
    assert len(second.rows) == 4


async def test_a_quiet_stream_is_pinged(
    app: FastAPI, fake: FakeServer, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is decoded a comment line keeps proxies from hanging up."""
    monkeypatch.setattr(sse, "PING_S", 0.001)
    fake.backend.hold()
    call = ask(app)
    await eventually(lambda: call.body.count(b"\n\n: ping\n\n") >= 1)
    call.leave()
    await call.task


async def test_a_failure_in_mid_stream_is_an_error_event(
    app: FastAPI, fake: FakeServer, eventually: Eventually
) -> None:
    """The stream ends with a problem document; the rows before it stand."""
    fake.backend.hold()
    call = ask(app)
    fake.backend.let(5)
    await eventually(lambda: len(call.rows) == 1)
    fake.backend.fail_with = RuntimeError("the disk melted")
    fake.backend.let(1_000)
    await call.task
    last = call.body.decode().split("\n\n")[-2].splitlines()
    problem = orjson.loads(last[2].removeprefix("data: "))
    assert last[0] == "event: error"
    assert problem["code"] == "unavailable"
    assert problem["retryable"] is True
    assert problem["request_id"]
    assert "melted" not in call.body.decode()
    headers = {"last-event-id": last[1].removeprefix("id: ")}
    again = Call(app, "GET", f"/v1/pages/{call.page_id}/events", headers=headers)
    await again.task
    assert again.status == 204


async def test_a_failure_before_the_answer_is_a_problem(app: FastAPI, fake: FakeServer) -> None:
    """The gathered page has no answer yet, so its status tells."""
    fake.backend.fail_with = RuntimeError("the disk melted")
    call = Call(app, "POST", "/v1/pages", {"user_id": "ada"})
    await call.task
    assert call.status == 503
    assert orjson.loads(call.body)["code"] == "unavailable"
