"""Traces: what a page's spans say, what they never say, and that nothing waits for a collector."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

import httpx
import pytest
from collector import collector
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from spans import Spans, id_of, parent_of, trace_of

from api.fake import FakeServer
from api.tracing import LAST_S, endpoint_of, exporting, to_collector
from deploy.services import free_port
from genpage.cli.serve import Serve
from genpage.errors import UsageError
from streaming.tracing import OFF

Start = Callable[[FakeServer], Awaitable[httpx.AsyncClient]]
Eventually = Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]
MEMBER = "member-who-must-not-be-named"
PAGE = {"user_id": MEMBER, "rows": 3, "entities_per_row": 4}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1"}


async def test_a_page_is_one_trace_from_the_client_to_each_row(start: Start) -> None:
    """The request under the client's span; the store, the page; in it queue, prompt and rows."""
    spans = Spans()
    fake = FakeServer.of(tracing=spans.tracing())
    client = await start(fake)
    answer = await client.post("/v1/pages", json=PAGE, headers=PARENT)
    page = answer.json()
    assert page["finish_reason"] == "complete"
    request = spans.one("POST /v1/pages")
    read, made = spans.one("context-store read"), spans.one("page")
    assert request.kind is SpanKind.SERVER
    assert f"{trace_of(request):032x}" == TRACE
    assert parent_of(request) == int("b7ad6b7169203331", 16)
    assert parent_of(read) == parent_of(made) == id_of(request)
    parts = [spans.one("queue"), spans.one("prefill"), *spans.named("row")]
    assert len(parts) == 5
    assert {parent_of(part) for part in parts} == {id_of(made)}
    assert {trace_of(span) for span in spans.all} == {trace_of(request)}
    for before, after in pairwise(parts):
        assert before.end_time == after.start_time
    assert parts[0].start_time == made.start_time
    assert parts[-1].end_time is not None
    assert made.end_time is not None
    assert parts[-1].end_time <= made.end_time
    assert made.attributes is not None
    assert made.attributes["genpage.page_id"] == page["page_id"]
    assert made.attributes["genpage.model.version"] == "fake-1"
    assert made.attributes["genpage.finish_reason"] == "complete"
    assert made.attributes["genpage.rows"] == 3
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["genpage.request_id"] == answer.headers["x-request-id"]
    line = next(line for line in fake.logbook.lines if line["event"] == "request")
    assert line["trace_id"] == TRACE


async def test_a_page_decoded_for_a_stream_has_its_rows_too(start: Start) -> None:
    """The request's span lasts as long as the stream."""
    spans = Spans()
    client = await start(FakeServer.of(tracing=spans.tracing()))
    headers = {"accept": "text/event-stream"}
    await client.post("/v1/pages", json=PAGE, headers=headers)
    request, made = spans.one("POST /v1/pages"), spans.one("page")
    assert len(spans.named("row")) == 3
    assert request.end_time is not None
    assert made.end_time is not None
    assert request.end_time >= made.end_time


async def test_no_span_names_a_member(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by path, by error text, nor by what a page holds; paths are told by their template."""
    spans = Spans()
    fake = FakeServer.of(tracing=spans.tracing())
    client = await start(fake)
    event = {"user_id": MEMBER, "entity_id": "e1", "action": "play"}
    await client.post("/v1/events", json=event)
    page_id = (await client.post("/v1/pages", json=PAGE)).json()["page_id"]
    await client.get(f"/v1/users/{MEMBER}/context")
    await client.post("/v1/pages", json={**PAGE, "user_id": MEMBER + "2", "continue_from": page_id})

    async def broken(*_: object) -> None:
        raise RuntimeError(f"the store choked on {MEMBER}")

    monkeypatch.setattr(fake.server.planner._members, "read", broken)
    assert (await client.post("/v1/pages", json=PAGE)).status_code == 500
    await client.delete(f"/v1/users/{MEMBER}/context")
    assert "GET /v1/users/{user_id:path}/context" in {span.name for span in spans.all}
    read = spans.named("context-store read")[-1]
    assert (read.status.status_code, read.status.description) == (StatusCode.ERROR, "RuntimeError")
    assert read.events == ()
    assert spans.named("POST /v1/pages")[-1].status.status_code is StatusCode.ERROR
    assert MEMBER not in spans.text()


async def test_a_page_that_fails_says_by_which_code(start: Start) -> None:
    """Its span is an error; what it said before stands."""
    spans = Spans()
    fake = FakeServer.of(tracing=spans.tracing())
    client = await start(fake)
    fake.backend.fail_with = RuntimeError(MEMBER)
    await client.post("/v1/pages", json=PAGE)
    made = spans.one("page")
    assert (made.status.status_code, made.status.description) == (StatusCode.ERROR, "unavailable")
    assert MEMBER not in spans.text()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_and_scrapes_leave_no_trace(start: Start, path: str) -> None:
    """They come every few seconds and say nothing."""
    spans = Spans()
    client = await start(FakeServer.of(tracing=spans.tracing()))
    await client.get(path, headers=PARENT)
    assert spans.all == ()


@pytest.mark.parametrize(
    "given", ["", "00", "00-zz-yy-01", "ff" * 40, f"00-{'0' * 32}-{'0' * 16}-01"]
)
async def test_a_traceparent_that_is_none_begins_a_trace(start: Start, given: str) -> None:
    """As the W3C has it; the request is served all the same."""
    spans = Spans()
    client = await start(FakeServer.of(tracing=spans.tracing()))
    answer = await client.post("/v1/pages", json=PAGE, headers={"traceparent": given})
    assert answer.status_code == 200
    assert spans.one("POST /v1/pages").parent is None


async def test_nothing_is_made_where_it_is_off(start: Start) -> None:
    """No span, no trace id in the log, no headers for the event log."""
    fake = FakeServer.of()
    client = await start(fake)
    await client.post("/v1/pages", json=PAGE, headers=PARENT)
    assert not fake.server.tracing.on
    assert OFF.headers() == ()
    assert all("trace_id" not in line for line in fake.logbook.lines)


async def test_a_collector_gets_them_by_otlp(start: Start) -> None:
    """Over HTTP in protobuf, named as a service, what is left at the end too."""
    with collector() as received:
        tracing = to_collector(endpoint_of(received.url))
        client = await start(FakeServer.of(tracing=tracing))
        await client.post("/v1/pages", json=PAGE, headers=PARENT)
        await tracing.close()
        assert set(received.paths) == {"/v1/traces"}
        names = [span.name for span in received.spans]
        assert names.count("row") == 3
        assert {"POST /v1/pages", "context-store read", "page", "queue", "prefill"} <= set(names)
        assert {span.trace_id.hex() for span in received.spans} == {TRACE}
        about = {a.key: a.value.string_value for a in received.resources[0].resource.attributes}
        assert about["service.name"] == "genpage"
        assert about["service.instance.id"]
        assert MEMBER not in str(received.resources)


async def test_a_collector_that_is_away_costs_no_page_and_no_end(start: Start) -> None:
    """Pages come as ever, and the server's end waits for it two seconds at most."""
    tracing = to_collector(f"http://127.0.0.1:{free_port()}/v1/traces")
    client = await start(FakeServer.of(tracing=tracing))
    for _ in range(5):
        page = (await client.post("/v1/pages", json=PAGE)).json()
        assert page["finish_reason"] == "complete"
    begun = time.monotonic()
    await tracing.close()
    assert time.monotonic() - begun < LAST_S + 1


async def test_what_waits_for_a_stuck_collector_is_bounded() -> None:
    """The oldest are dropped; making spans never blocks."""
    gate = threading.Event()
    sent: list[ReadableSpan] = []

    class Stuck(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            gate.wait(10)
            sent.extend(spans)
            return SpanExportResult.SUCCESS

    tracing = exporting(Stuck(), queue=8)
    for number in range(1_000):
        with tracing.span(f"span {number}"):
            pass
    gate.set()
    await tracing.close()
    assert 8 <= len(sent) <= 64
    assert sent[-1].name == "span 999"


def test_where_spans_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nowhere by default; the flag goes before OpenTelemetry's own variables."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    assert Serve().settings().otlp_endpoint is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base:4318/")
    assert Serve().settings().otlp_endpoint == "http://base:4318/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://whole:1/there")
    assert Serve().settings().otlp_endpoint == "https://whole:1/there"
    flag = Serve(otlp_endpoint="http://:secret@flag:4318")
    assert flag.settings().otlp_endpoint == "http://:secret@flag:4318/v1/traces"
    assert "secret" not in repr(flag)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert flag.settings().otlp_endpoint is None
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    for wrong in ("collector:4318", "ftp://:secret@x", "http://"):
        with pytest.raises(UsageError, match="--otlp-endpoint") as told:
            Serve(otlp_endpoint=wrong).settings()
        assert "secret" not in str(told.value)


async def test_a_page_left_alone_ends_its_span(start: Start, eventually: Eventually) -> None:
    """By the reason that the engine gives, with the rows that came."""
    spans = Spans()
    fake = FakeServer.of(tracing=spans.tracing())
    client = await start(fake)
    fake.backend.hold()
    asked = asyncio.ensure_future(client.post("/v1/pages", json=PAGE))
    await eventually(lambda: fake.backend.begun > 0)
    (page,) = fake.server.pages.store.running()
    stopping = asyncio.ensure_future(client.delete(f"/v1/pages/{page.page_id}"))
    await eventually(lambda: page.stopped)
    fake.backend.open()
    fake.backend.let(1_000)
    await asyncio.gather(asked, stopping)
    made = spans.one("page")
    assert made.attributes is not None
    assert made.attributes["genpage.finish_reason"] == "cancelled"
