"""Spans at our own seams, and the trace context that travels on Kafka. Off unless given a tracer.

Written by hand where a span says something, rather than by instrumentation that patches libraries:
it must never hold a member's data, and cost nothing where it is off. Decisions:

1. A message carries W3C ``traceparent`` for tracing tools, and ``ce_traceparent``, the CloudEvents
   extension, which says where an event's way began. With one hop both are the same.
2. Reading links to whatever wrote (one run applies messages of many); where a run has one origin
   alone, it is a child of it as well, so that one event's way is one trace.
3. An error is told by its type. Its text may name a member.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streaming.cloud_event import Headers, attribute

Attributes = Mapping[str, str | int | float | bool]
AnyHeaders = tuple[tuple[str, bytes | None], ...]
# Links of one span: what a run of messages comes to, and not all of a flood.
LINKS: Final = 64
_FORMAT: Final = TraceContextTextMapPropagator()
_NOWHERE: Final = Context()
_NOTHING: Final = nullcontext(INVALID_SPAN)
_EXTENSION: Final = "ce_"


async def _nothing() -> None:
    return


class Tracing:
    """Makes spans under the current one, which follows the task (contextvars)."""

    def __init__(
        self, tracer: Tracer | None = None, *, close: Callable[[], Awaitable[None]] = _nothing
    ) -> None:
        """``close`` sends what is left; it ends within seconds, whether or not that works."""
        self._tracer = tracer
        self.close = close

    @property
    def on(self) -> bool:
        """Whether spans are made at all."""
        return self._tracer is not None

    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        *,
        carrier: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Span]:
        """A span that is the current one inside; under the one that a ``carrier`` names, if any.

        An exception that leaves it marks it as an error.
        """
        if self._tracer is None:
            return _NOTHING
        parent = None if carrier is None else _FORMAT.extract(carrier, _NOWHERE)
        return _current(
            self._tracer.start_span(name, context=parent, kind=kind, attributes=attributes)
        )

    def under(
        self, name: str, kind: SpanKind, attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """A span where one is the current one already; otherwise none."""
        if self._tracer is None or not get_current_span().get_span_context().is_valid:
            return _NOTHING
        return self.span(name, kind, attributes)

    def applying(self, topic: str, messages: Iterable[AnyHeaders]) -> AbstractContextManager[Span]:
        """The span of applying messages, given their headers."""
        if self._tracer is None:
            return _NOTHING
        origins = {
            (origin.trace_id, origin.span_id): origin
            for each in messages
            if (origin := _origin(each)) is not None
        }
        known = list(origins.values())[:LINKS]
        parent = _NOWHERE
        if len(origins) == 1:
            parent = set_span_in_context(NonRecordingSpan(known[0]), _NOWHERE)
        about = {**_about(topic), "messaging.operation.type": "process"}
        links = [Link(origin) for origin in known]
        return _current(
            self._tracer.start_span(
                f"process {topic}", parent, SpanKind.CONSUMER, about, links=links
            )
        )

    def sending(self, topic: str, count: int) -> AbstractContextManager[Span]:
        """The span of writing to the log, where anything led to it."""
        if self._tracer is None:
            return _NOTHING
        about = {
            **_about(topic),
            "messaging.operation.type": "send",
            "messaging.batch.message_count": count,
        }
        return self.under(f"send {topic}", SpanKind.PRODUCER, about)

    def headers(self) -> Headers:
        """What a message that is written now says of where it came from."""
        if self._tracer is None:
            return ()
        carrier: dict[str, str] = {}
        _FORMAT.inject(carrier)
        plain = tuple((name, value.encode()) for name, value in carrier.items())
        return (*plain, *((f"{_EXTENSION}{name}", value) for name, value in plain))

    def record(
        self, name: str, begun_ns: int, ended_ns: int, attributes: Attributes, *, parent: Span
    ) -> None:
        """A span that is over, by its times in nanoseconds since 1970."""
        if self._tracer is None:
            return
        within = set_span_in_context(parent, _NOWHERE)
        span = self._tracer.start_span(name, within, attributes=attributes, start_time=begun_ns)
        span.end(ended_ns)

    def begin(self, name: str, attributes: Attributes, begun_ns: int) -> Span:
        """A span under the current one that its caller ends."""
        if self._tracer is None:
            return INVALID_SPAN
        return self._tracer.start_span(name, attributes=attributes, start_time=begun_ns)


OFF: Final = Tracing()


@contextmanager
def _current(span: Span) -> Iterator[Span]:
    with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield span
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _origin(headers: AnyHeaders) -> SpanContext | None:
    """Where a message says that it came from; None where it says nothing that can be read."""
    for prefix in ("", _EXTENSION):
        parent = attribute(headers, f"{prefix}traceparent")
        if parent is None:
            continue
        state = attribute(headers, f"{prefix}tracestate") or ""
        carrier = {"traceparent": parent, "tracestate": state}
        found = get_current_span(_FORMAT.extract(carrier, _NOWHERE)).get_span_context()
        if found.is_valid:
            return found
    return None


def _about(topic: str) -> dict[str, str | int]:
    return {"messaging.system": "kafka", "messaging.destination.name": topic}
