"""The model's page against the pipeline's: latency behind the same routes, in one run.

    genpage bench multistage --bundle BUNDLE --data DIR [--members 30] [--threads 1]
        [--autoregressive 4] [--speculation on|off] [--json]

Both serve ``POST /v1/pages`` with the same catalog, rules, contexts and counts, in this process, as
an ASGI application; members ask both in turn, so that a busy machine is busy for both. ``page_ms``
is what a client waits, ``cpu_ms`` what the whole process spends on the page: on one thread and an
idle machine the two are the same, on a busy one only the second tells the two sides apart.

What it depends on is stated with it (``sizes``), and where it goes (``parts``): the model's prompt
and rows as the engine times them; of the pipeline the signals of all titles, the features of the
candidates, the forests over them, and the rows planned, ranked and placed.

In the pipeline's favour: its feature store is in this process (a real one is a network call away),
its counts and pairs are as of the data's end and cost no updates, it learns before the run, and its
prompt is a few tokens that nothing reads. What it computes at the request is all that a page needs.
"""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.table import Table

from api.app import create_app
from api.compose import Settings, compose
from api.logs import configure
from api.server import Server
from benchmarks.asgi_client import Seen, ask
from benchmarks.page import SHAPE
from benchmarks.pipeline_engine import pipeline_server
from benchmarks.pipeline_parts import Parts, parts_of
from benchmarks.report import Report
from dataset.day import day_of
from dataset.folder import DataFolder
from evaluation.multistage.learning import LearningSettings, learn_pipeline
from evaluation.multistage.pipeline import Pipeline
from genpage.catalog import SECONDS_A_DAY
from genpage.context import Context
from genpage.request import PageRequest
from runtime.bundle import Bundle
from tokenizer.buckets import anchor_of

_WARM_UP = 3
_STREAM = "text/event-stream"
_TO_NEXT_EVENING_S = (24 + 20) * 3_600.0
_VISITS = ("cold", "returning")


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
    """One side's pages, and their first rows; prompt, passes and timing are of the median page.

    ``prefill_ms`` and ``decode_ms`` are as the engine times them; the pipeline has the latter only.
    """

    page_ms: Spread
    first_row_ms: Spread
    cpu_ms: Spread
    prefill_ms: float
    decode_ms: float
    prompt_tokens: int
    forward_passes: int
    n: int


@dataclass(slots=True)
class _Times:
    page: list[float] = field(default_factory=list)
    first_row: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)  # JSON

    def add(self, seen: Seen, cpu_s: float) -> None:
        self.page.append(seen.seconds * 1000)
        self.first_row.append((seen.first_row_s or 0.0) * 1000)
        self.cpu.append(cpu_s * 1000)
        said = [line[6:] for line in seen.content.splitlines() if line[:6] == b"data: "]
        self.ends.append(orjson.loads(said[-1]))

    def side(self) -> Side:
        def median(values: list[float]) -> float:
            return round(float(np.median(values)), 2)

        return Side(
            page_ms=Spread.of(self.page),
            first_row_ms=Spread.of(self.first_row),
            cpu_ms=Spread.of(self.cpu),
            prefill_ms=median([end["timing"]["prefill_ms"] for end in self.ends]),
            decode_ms=median([end["timing"]["decode_ms"] for end in self.ends]),
            prompt_tokens=int(median([end["prompt_tokens"] for end in self.ends])),
            forward_passes=int(median([end["forward_passes"] for end in self.ends])),
            n=len(self.page),
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """Both sides' pages, the pipeline's parts, and how large all of it was."""

    sides: dict[str, Side]
    parts: Parts
    sizes: dict[str, object]


async def measure(model: Server, pipeline: Server, ranker: Pipeline, members: int) -> Measured:
    """First and returning pages of a seeded sample of members, of both sides in turn."""
    assert model.stores.directory is not None
    known = {each.user_id: each for each in await model.stores.directory.busiest(1_000_000)}
    sample = random.Random(0).sample(sorted(known), min(members, len(known)))
    evening = anchor_of(model.stores.newest or time.time()) + _TO_NEXT_EVENING_S
    apps = {"model": create_app(model), "multistage": create_app(pipeline)}
    times = {f"{name}_{visit}": _Times() for name in apps for visit in _VISITS}
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        for number, user_id in enumerate((*(f"nobody-{n}" for n in range(_WARM_UP)), *sample)):
            for visit, at in zip(_VISITS, (evening, evening + 60.0), strict=True):
                for name, app in apps.items():
                    clock = datetime.fromtimestamp(at, UTC).isoformat()
                    body = orjson.dumps({"user_id": user_id, "at": clock, **SHAPE})
                    began = time.process_time()
                    seen = await ask(app, "POST", "/v1/pages", _STREAM, body)
                    spent = time.process_time() - began
                    if seen.content.count(b"event: row\n") != SHAPE["rows"]:
                        raise SystemExit(f"the page of {user_id!r} by the {name} is not whole")
                    if number >= _WARM_UP:
                        times[f"{name}_{visit}"].add(seen, spent)
        # The engines are at rest: the pipeline may be asked from here.
        contexts = [known[user_id] for user_id in sample]
        requests = [
            PageRequest(
                user_id,
                evening,
                rows=SHAPE["rows"],
                entities_per_row=SHAPE["entities_per_row"],
            )
            for user_id in sample
        ]
        parts = parts_of(ranker, contexts, requests)
    sides = {name: spent.side() for name, spent in times.items()}
    return Measured(sides, parts, _sizes(model, contexts, len(known)))


def _sizes(model: Server, contexts: list[Context], members: int) -> dict[str, object]:
    served = model.models.active
    assert served is not None
    return {
        "titles": len(served.catalog.entities),
        "catalog_rows": len(served.catalog.rows),
        "members": members,
        "history_events": int(np.median([len(context.events) for context in contexts])),
        **SHAPE,
    }


def learnt(data: Path, *, pages: int) -> Pipeline:
    """The pipeline at the data's end."""
    folder = DataFolder(data)
    until = day_of(_end(folder))
    return learn_pipeline(folder, until, settings=LearningSettings(pages=pages))


def _end(folder: DataFolder) -> float:
    return float(folder.events(folder.days()[-1])["ts"][-1]) + SECONDS_A_DAY


def report(settings: Settings, *, members: int = 30, pages: int = 2000) -> Report:
    """Measure both on servers of their own; ``settings`` name a bundle and data."""
    bundle, data = settings.bundle, settings.data
    assert bundle is not None
    assert data is not None
    model = compose(settings, configure("warning"))
    ranker = learnt(data, pages=pages)
    found = asyncio.run(measure(model, pipeline_server(ranker, model), ranker, members))
    record = Bundle.open(bundle).manifest
    sizes = found.sizes | {
        "model": record.size,
        "width": record.trunk.width,
        "layers": record.trunk.layers,
        "precision": record.precision,
        "threads": settings.threads,
        "autoregressive": settings.options.autoregressive,
        "speculation": settings.limits.speculation,
    }
    table = Table("page", "p50", "95%", "p99", "first row", "CPU p50", "CPU p99", title="ms")
    for name, side in found.sides.items():
        low, high = side.page_ms.ci95
        table.add_row(
            name,
            f"{side.page_ms.p50:.1f}",
            f"{low:.1f}-{high:.1f}",
            f"{side.page_ms.p99:.1f}",
            f"{side.first_row_ms.p50:.1f}",
            f"{side.cpu_ms.p50:.1f}",
            f"{side.cpu_ms.p99:.1f}",
        )
    ratios = {
        f"{visit}_{kind}{quantile}": round(
            getattr(getattr(found.sides[f"model_{visit}"], f"{field_}_ms"), quantile)
            / getattr(getattr(found.sides[f"multistage_{visit}"], f"{field_}_ms"), quantile),
            3,
        )
        for visit in _VISITS
        for field_, kind in (("page", ""), ("cpu", "cpu_"))
        for quantile in ("p50", "p99")
    }
    table.caption = "model / pipeline: " + ", ".join(f"{k} {v:.2f}" for k, v in ratios.items())
    return Report(
        {
            **{name: asdict(side) for name, side in found.sides.items()},
            "ratio": ratios,
            "parts": asdict(found.parts),
            "sizes": sizes,
        },
        table,
    )
