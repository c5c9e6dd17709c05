"""A page's decoding as spans: the page, and in it the queue, the prompt, each row.

The engine tells its times, so the spans are made when the page's decoding ends and nothing is done
a row but noting when it came.
"""

import time

from opentelemetry.trace import Span, Status, StatusCode

from api.live_page import LivePage
from runtime.output import PageFinished
from streaming.tracing import Tracing

_NS_PER_MS = 1_000_000


class PageTrace:
    """One submission of a page to the engine; made when it is submitted. Owned by its task."""

    def __init__(self, tracing: Tracing, page: LivePage) -> None:
        plan = page.plan
        self._tracing = tracing
        self._begun = time.time_ns()
        self._rows: list[float] = []
        self._about: dict[str, str | int] = {
            "genpage.page_id": page.page_id,
            "genpage.model.version": plan.model.version,
            "genpage.catalog.version": plan.model.catalog.version,
            "genpage.prompt_tokens": len(plan.tokens),
            "genpage.degraded": ",".join(plan.degraded),
        }

    def row(self, at_ms: float) -> None:
        """A row came, so long after the submission."""
        self._rows.append(at_ms)

    def finished(self, output: PageFinished) -> None:
        """It ended, as planned or cut short."""
        timing = output.timing
        # It was submitted a moment before this was made: nothing of it lies ahead of now.
        self._begun = min(self._begun, time.time_ns() - round(timing.total_ms * _NS_PER_MS))
        span = self._tracing.begin("page", self._about, self._begun)
        decoding_ms = timing.queue_ms + timing.prefill_ms
        self._part(span, "queue", 0.0, timing.queue_ms)
        self._part(span, "prefill", timing.queue_ms, decoding_ms)
        before_ms = decoding_ms
        for index, at_ms in enumerate(self._rows):
            self._part(span, "row", before_ms, at_ms, {"genpage.row": index})
            before_ms = at_ms
        span.set_attributes(
            {
                "genpage.finish_reason": output.reason,
                "genpage.rows": len(self._rows),
                "genpage.cached_prompt_tokens": output.cached_prompt_tokens,
                "genpage.forward_passes": output.forward_passes,
            }
        )
        span.end(self._at(timing.total_ms))

    def failed(self, code: str) -> None:
        """It ended by an error of that code."""
        span = self._tracing.begin("page", self._about, self._begun)
        span.set_status(Status(StatusCode.ERROR, code))
        span.end()

    def _part(
        self,
        page: Span,
        name: str,
        from_ms: float,
        to_ms: float,
        about: dict[str, int] | None = None,
    ) -> None:
        begun, ended = self._at(from_ms), self._at(to_ms)
        self._tracing.record(name, begun, ended, about or {}, parent=page)

    def _at(self, ms: float) -> int:
        return self._begun + round(ms * _NS_PER_MS)


class Untraced:
    """The same where tracing is off."""

    def row(self, at_ms: float) -> None:
        """Nothing."""

    def finished(self, output: PageFinished) -> None:
        """Nothing."""

    def failed(self, code: str) -> None:
        """Nothing."""


_UNTRACED = Untraced()


def trace_of(tracing: Tracing, page: LivePage) -> PageTrace | Untraced:
    """What to tell of a page that is submitted."""
    return PageTrace(tracing, page) if tracing.on else _UNTRACED
