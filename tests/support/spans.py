"""Finished spans in memory, for tests of tracing."""

from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from streaming.tracing import Tracing


@dataclass(slots=True)
class Spans:
    """Tracing whose spans can be looked at as soon as they end."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def tracing(self) -> Tracing:
        """Tracing into it."""
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        return Tracing(provider.get_tracer("tests"))

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        """All that ended, in that order."""
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of that name."""
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one of that name."""
        (span,) = self.named(name)
        return span

    def text(self) -> str:
        """Everything that would leave the process."""
        return "\n".join(span.to_json() for span in self.all)


def parent_of(span: ReadableSpan) -> int | None:
    """The id of its parent."""
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    """Its own id."""
    assert span.context is not None
    return int(span.context.span_id)


def trace_of(span: ReadableSpan) -> int:
    """Its trace's id."""
    assert span.context is not None
    return int(span.context.trace_id)
