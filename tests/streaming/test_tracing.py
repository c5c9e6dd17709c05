"""The way of an event over Kafka as spans: writing it and applying it are linked."""

import uuid

from event_logs import log_of
from kafka_clients import EVENTS, everything_on, produce, until
from opentelemetry.trace import SpanKind
from spans import Spans, id_of, parent_of, trace_of

from genpage.event import Event
from streaming.broker import Broker
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore
from streaming.tracing import LINKS, OFF, Tracing

Carried = tuple[tuple[str, bytes | None], ...]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def log_on(bootstrap: str, store: MemoryContextStore, tracing: Tracing) -> EventLog:
    """An event log in a group of its own, over that store."""
    return log_of(Broker(bootstrap, uuid.uuid4().hex), store, tracing=tracing)


def carrying(number: int, name: str = "traceparent") -> Carried:
    """Headers of a message that says where it came from."""
    return ((name, f"00-{TRACE}-{number:016x}-01".encode()),)


def test_one_origin_is_parent_and_link() -> None:
    """So that one event's way is one trace."""
    spans = Spans()
    with spans.tracing().applying(EVENTS, [carrying(1), carrying(1), ()]):
        pass
    span = spans.one(f"process {EVENTS}")
    assert span.kind is SpanKind.CONSUMER
    assert f"{trace_of(span):032x}" == TRACE
    assert parent_of(span) == 1
    assert [link.context.span_id for link in span.links] == [1]


def test_many_origins_are_links_alone_and_bounded() -> None:
    """A run belongs to none of them more than to the others."""
    spans = Spans()
    with spans.tracing().applying(EVENTS, [carrying(n + 1) for n in range(LINKS + 9)]):
        pass
    span = spans.one(f"process {EVENTS}")
    assert span.parent is None
    assert f"{trace_of(span):032x}" != TRACE
    assert [link.context.span_id for link in span.links] == list(range(1, LINKS + 1))


def test_a_cloud_events_extension_is_an_origin_where_nothing_else_is() -> None:
    """The hop's own header goes first; what cannot be read says nothing."""
    spans = Spans()
    tracing = spans.tracing()
    torn: Carried = (("traceparent", b"\xff"), ("tracestate", None))
    with tracing.applying(EVENTS, [(*carrying(3), *carrying(4, "ce_traceparent"))]):
        pass
    with tracing.applying(EVENTS, [carrying(5, "ce_traceparent"), torn]):
        pass
    assert [parent_of(span) for span in spans.all] == [3, 5]


def test_headers_name_the_current_span_twice() -> None:
    """For tools, and as CloudEvents' extension; none where no span is the current one."""
    spans = Spans()
    tracing = spans.tracing()
    assert tracing.headers() == ()
    with tracing.span("here") as span:
        found = dict(tracing.headers())
    context = span.get_span_context()
    ids, flags = f"{context.trace_id:032x}-{context.span_id:016x}", context.trace_flags
    expected = f"00-{ids}-{flags:02x}".encode()
    assert found == {"traceparent": expected, "ce_traceparent": expected}
    with OFF.span("nothing"):
        assert OFF.headers() == ()


async def test_writing_and_applying_an_event_is_one_trace(kafka: str) -> None:
    """From the span that published it to the one that applied it; the dead letter keeps its own."""
    spans, store, user = Spans(), MemoryContextStore(), uuid.uuid4().hex
    tracing = spans.tracing()
    async with log_on(kafka, store, tracing) as log:
        await log.producer.until_up()
        event = Event("e", user, "e1", "play", 10.0)
        with tracing.span("request") as request:
            await log.sink.publish([event])

        async def applied() -> bool:
            return await store.get(user) is not None

        await until(applied)

        def processed() -> bool:
            wanted = request.get_span_context().trace_id
            return any(trace_of(s) == wanted for s in spans.named(f"process {EVENTS}"))

        await until(processed)
    sent = spans.one(f"send {EVENTS}")
    assert sent.kind is SpanKind.PRODUCER
    assert parent_of(sent) == request.get_span_context().span_id
    (process,) = [s for s in spans.named(f"process {EVENTS}") if trace_of(s) == trace_of(sent)]
    assert parent_of(process) == id_of(sent)
    assert [link.context.span_id for link in process.links] == [id_of(sent)]
    assert user not in spans.text()


async def test_a_dead_letter_says_where_its_message_came_from(kafka: str) -> None:
    """Not where it was buried: its own header stays, once."""
    spans, mark = Spans(), uuid.uuid4().hex.encode()
    async with log_on(kafka, MemoryContextStore(), spans.tracing()):
        origin = [(name, value) for name, value in carrying(7) if value is not None]
        await produce(kafka, [(mark, b"{")], headers=origin)

        async def buried() -> bool:
            return any(letter.key == mark for letter in await everything_on(kafka, f"{EVENTS}.dlq"))

        await until(buried)
    (letter,) = [each for each in await everything_on(kafka, f"{EVENTS}.dlq") if each.key == mark]
    assert letter.headers["traceparent"] == dict(carrying(7))["traceparent"]
