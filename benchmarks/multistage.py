"""The model's page against the pipeline's: latency behind the same routes, in one run.

    genpage bench multistage --bundle BUNDLE --data DIR [--members 30] [--threads N] [--json]

Both serve ``POST /v1/pages`` with the same catalog, rules, contexts and counts, in this process, as
an ASGI application; members ask both in turn, so that a busy machine is busy for both. The pipeline
runs where the engine does, on the engine's thread, and streams each row as it is assembled.

In the pipeline's favour: its feature store is in this process (a real one is a network call away),
its counts and pairs are as of the data's end and cost no updates, it learns before the run, and its
prompt is a few tokens that nothing reads. What it computes at the request is all that a page needs:
signals, features, both rankers, assembly under the same grammar.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
from rich.table import Table

from api.app import create_app
from api.compose import Settings, compose
from api.fake import FakeModels, FakeServed
from api.logs import configure
from api.server import Options, Server
from benchmarks.asgi_client import Seen, ask
from benchmarks.page import SHAPE
from benchmarks.report import Report
from dataset.day import day_of
from dataset.folder import DataFolder
from evaluation.multistage.learning import LearningSettings, learn_pipeline
from evaluation.multistage.pipeline import Pipeline
from genpage.catalog import SECONDS_A_DAY
from genpage.grammar import DecodedRow
from genpage.page import FinishReason
from runtime.engine import Engine
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.output import Output, PageFinished, RowDecoded, Timing
from runtime.worker import Worker
from tokenizer.buckets import anchor_of
from tokenizer.prompt import PromptEncoder

_WARM_UP = 3
_STREAM = "text/event-stream"
_TO_NEXT_EVENING_S = (24 + 20) * 3_600.0
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


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p99: float
    ci95: tuple[float, float]  # of the median

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of at least one value."""
        chance = np.random.default_rng(0)
        drawn = np.median(chance.choice(values, (1000, len(values))), axis=1)
        p50, p99 = np.percentile(values, (50, 99)).tolist()
        low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
        return cls(round(p50, 2), round(p99, 2), (round(low, 2), round(high, 2)))


@dataclass(frozen=True, slots=True)
class Side:
    """One side's pages, and their first rows."""

    page_ms: Spread
    first_row_ms: Spread
    n: int


@dataclass(slots=True)
class _Times:
    page: list[float]
    first_row: list[float]

    def add(self, seen: Seen) -> None:
        self.page.append(seen.seconds * 1000)
        self.first_row.append((seen.first_row_s or 0.0) * 1000)

    def side(self) -> Side:
        return Side(Spread.of(self.page), Spread.of(self.first_row), len(self.page))


async def measure(model: Server, pipeline: Server, members: int) -> dict[str, Side]:
    """First and returning pages of a seeded sample of members, of both sides in turn."""
    assert model.stores.directory is not None
    known = [context.user_id for context in await model.stores.directory.busiest(1_000_000)]
    sample = random.Random(0).sample(known, min(members, len(known)))
    evening = anchor_of(model.stores.newest or time.time()) + _TO_NEXT_EVENING_S
    apps = {"model": create_app(model), "multistage": create_app(pipeline)}
    times = {f"{name}_{visit}": _Times([], []) for name in apps for visit in ("cold", "returning")}
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        for number, user_id in enumerate((*(f"nobody-{n}" for n in range(_WARM_UP)), *sample)):
            for visit, at in (("cold", evening), ("returning", evening + 60.0)):
                for name, app in apps.items():
                    clock = datetime.fromtimestamp(at, UTC).isoformat()
                    body = orjson.dumps({"user_id": user_id, "at": clock, **SHAPE})
                    seen = await ask(app, "POST", "/v1/pages", _STREAM, body)
                    if seen.content.count(b"event: row\n") != SHAPE["rows"]:
                        raise SystemExit(f"the page of {user_id!r} by the {name} is not whole")
                    if number >= _WARM_UP:
                        times[f"{name}_{visit}"].add(seen)
    return {name: spent.side() for name, spent in times.items()}


def learnt(data: Path, *, pages: int) -> Pipeline:
    """The pipeline at the data's end."""
    folder = DataFolder(data)
    until = day_of(_end(folder))
    return learn_pipeline(folder, until, settings=LearningSettings(pages=pages))


def _end(folder: DataFolder) -> float:
    return float(folder.events(folder.days()[-1])["ts"][-1]) + SECONDS_A_DAY


def report(
    bundle: Path, data: Path, *, members: int = 30, threads: int = 0, pages: int = 2000
) -> Report:
    """Measure both on servers of their own."""
    model = compose(Settings(bundle=bundle, data=data, threads=threads), configure("warning"))
    pipeline = pipeline_server(learnt(data, pages=pages), model)
    sides = asyncio.run(measure(model, pipeline, members))
    table = Table("page", "p50", "95%", "p99", "first row", title="ms")
    for name, side in sides.items():
        low, high = side.page_ms.ci95
        table.add_row(
            name,
            f"{side.page_ms.p50:.1f}",
            f"{low:.1f}-{high:.1f}",
            f"{side.page_ms.p99:.1f}",
            f"{side.first_row_ms.p50:.1f}",
        )
    ratios = {
        f"{visit}_{quantile}": round(
            getattr(sides[f"model_{visit}"].page_ms, quantile)
            / getattr(sides[f"multistage_{visit}"].page_ms, quantile),
            3,
        )
        for visit in ("cold", "returning")
        for quantile in ("p50", "p99")
    }
    table.caption = "model / pipeline: " + ", ".join(f"{k} {v:.2f}" for k, v in ratios.items())
    return Report({**{name: asdict(side) for name, side in sides.items()}, "ratio": ratios}, table)
