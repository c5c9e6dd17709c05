"""The pipeline behind the model's routes: where the engine decodes, it ranks.

On the engine's own thread, and each row streams as it is assembled.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from api.fake import FakeModels, FakeServed
from api.logs import configure
from api.server import Options, Server
from evaluation.multistage.pipeline import Pipeline
from genpage.grammar import DecodedRow
from genpage.page import FinishReason
from runtime.engine import Engine
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.output import Output, PageFinished, RowDecoded, Timing
from runtime.worker import Worker
from tokenizer.prompt import PromptEncoder

_LEAST_HISTORY = 128


@dataclass(slots=True)
class _Ranked:
    """A page in the making."""

    job: PageJob
    submitted: float
    begun: float
    rows: Iterator[DecodedRow]


class PipelineEngine(Engine):
    """An engine that ranks: a row of each live page a step, by the pipeline."""

    def __init__(self, pipeline: Pipeline, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._pipeline = pipeline
        self._pages: dict[str, _Ranked] = {}
        self._said: list[Output] = []

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._pages or self._said)

    def submit(self, job: PageJob, *, submitted: float | None = None) -> None:
        """Take a page on."""
        if job.context is None or job.request is None:
            raise RuntimeError("a page came without its context. This is a bug.")
        now = self.clock()
        rows = self._pipeline.rows(job.context, job.request, job.grammar)
        came = now if submitted is None else submitted
        self._pages[job.page_id] = _Ranked(job, came, now, rows)

    def holds(self, job: PageJob) -> bool:
        """Whether this very job is in hand."""
        page = self._pages.get(job.page_id)
        return page is not None and page.job is job

    def cancel(self, page_id: str, reason: FinishReason = "cancelled") -> bool:
        """End a page now."""
        page = self._pages.pop(page_id, None)
        if page is not None:
            self._said.append(self._finished(page, reason))
        return page is not None

    def cancel_all(self, reason: FinishReason) -> None:
        """End every page now."""
        for page_id in list(self._pages):
            self.cancel(page_id, reason)

    def step(self) -> list[Output]:
        """The next row of every page."""
        for page_id, page in list(self._pages.items()):
            row = next(page.rows, None)
            if row is None:
                whole = len(page.job.grammar.rows) >= page.job.rows
                self.cancel(page_id, "complete" if whole else "exhausted")
            else:
                at_ms = (self.clock() - page.submitted) * 1000
                self._said.append(RowDecoded(page_id, row.row, row.entities, at_ms))
        said, self._said = self._said, []
        return said

    def _finished(self, page: _Ranked, reason: FinishReason) -> PageFinished:
        queued, spent = page.begun - page.submitted, self.clock() - page.begun
        timing = Timing(queued * 1000, 0.0, spent * 1000)
        return PageFinished(page.job.page_id, reason, timing, len(page.job.prompt), 0, 0)


def pipeline_server(pipeline: Pipeline, like: Server) -> Server:
    """A server of the pipeline with the stores of another."""
    served = FakeServed.of(pipeline.catalog, pipeline.rules)
    encoder = PromptEncoder(served.encoder.vocabulary, history_tokens=_LEAST_HISTORY)
    return Server(
        FakeModels(replace(served, encoder=encoder, version="multistage")),
        Worker(PipelineEngine(pipeline)),
        like.stores,
        Options(),
        configure("warning"),
    )
