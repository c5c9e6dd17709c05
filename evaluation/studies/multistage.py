"""One model against the pipeline that it replaces: what pages are worth, and what they take."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from evaluation.intervals import mean_of, uplift_of
from evaluation.multistage.learning import LearningSettings, learn_pipeline
from evaluation.multistage.pages import pipeline_pages
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import stages
from evaluation.studies.study import Study
from evaluation.studies.visits import JudgedVisits, model_pages
from evaluation.studies.workshop import Workshop
from evaluation.variety import Shown, variety
from export.bundle import export_bundle
from genpage.page import Page, PageRow
from model.checkpoint import Checkpoint
from tokenizer.content import content_encoder


def run(workshop: Workshop) -> Findings:
    """The same visits, each stage's pages and the pipeline's, judged; then latency in turn."""
    found = {name: Checkpoint.load(path) for name, path in stages(workshop).items()}
    first = next(iter(found.values()))
    visits = JudgedVisits.of(workshop, first)

    worth: dict[str, list[float]] = {}
    shown: dict[str, list[Page]] = {}
    for name, checkpoint in found.items():
        shown[name] = _kept(
            workshop,
            f"pages-{name}",
            partial(_model_pages, workshop, visits, checkpoint),
        ).pages
    learnt = _kept(workshop, "pages-multistage", partial(_pipeline_pages, workshop, visits))
    shown["multistage"] = learnt.pages
    for name, pages in shown.items():
        worth[name] = visits.rewards(pages, first.rules).tolist()
    members = visits.members
    base = np.array(worth["multistage"])
    rows = [
        Row.of(name, mean_of(np.array(values), members), series="page reward")
        for name, values in worth.items()
    ]
    rows += [
        Row.of(
            f"{name} over the pipeline",
            uplift_of(np.array(values), base, members),
            series="uplift",
        )
        for name, values in worth.items()
        if name != "multistage"
    ]
    rows += _variety(workshop, visits, first, shown)
    latency, told = _latency(workshop, list(stages(workshop).values())[-1])
    rows += latency
    return Findings(
        rows,
        Axes("true page reward", ""),
        workshop.simulated,
        notes=(
            "The pipeline (`evaluation/multistage`): candidate generators (trending, near-in-time "
            "and shared co-occurrence, ALS, content), a LightGBM ranker of titles and one of rows, "
            "pages assembled under the same grammar. It learns from the same days and rewards as "
            "the models; its counts, pairs and histories are live up to each visit. No page of "
            "either breaks a rule (`genpage.audit`).\n\n"
            f"{_learnt_from(workshop, learnt.learnt_from, found)}\n\n"
            "Latency is a 10 x 20 page behind the same routes, members in turn, in one process "
            "(`genpage bench multistage`). The pipeline's feature store is in that process, where "
            f"a real one would be a call away. {told}"
        ),
        unplotted=("uplift", "diversity", "coverage", "novelty", "new", "latency", "ratio"),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """Pages, and of the pipeline how many logged ones it learnt from."""

    pages: list[Page]
    learnt_from: int = 0


def _kept(workshop: Workshop, name: str, make: Callable[[], _Made]) -> _Made:
    """Pages as a step."""

    def told() -> object:
        made = make()
        pages = [[[row.row_id, *row.entity_ids] for row in page.rows] for page in made.pages]
        return {"pages": pages, "learnt_from": made.learnt_from}

    found = workshop.mapping(name, told)
    pages = [
        Page(tuple(PageRow(row[0], tuple(row[1:])) for row in page)) for page in found["pages"]
    ]
    return _Made(pages, found["learnt_from"])


def _model_pages(workshop: Workshop, visits: JudgedVisits, checkpoint: Checkpoint) -> _Made:
    return _Made(model_pages(workshop, visits.catalog, checkpoint))


def _pipeline_pages(workshop: Workshop, visits: JudgedVisits) -> _Made:
    workshop.tell("the pipeline learns")
    settings = LearningSettings(pages=workshop.scale.pages)
    pipeline = learn_pipeline(workshop.data(), workshop.held_out()[0], settings=settings)
    return _Made(pipeline_pages(pipeline, visits.visits), pipeline.rankers.pages)


def _learnt_from(workshop: Workshop, pipeline: int, checkpoints: Mapping[str, Checkpoint]) -> str:
    """How many logged pages each side has learnt from."""
    budget, data = workshop.scale.pages, workshop.data()
    # A model holds out the last day that it is given.
    days = [day for day in data.days() if day < workshop.held_out()[0]][:-1]
    logged = sum(
        data.impressions(day, day, columns=("page_id",))["page_id"].n_unique() for day in days
    )
    stages = ", ".join(
        f"{name} {pages:,}"
        for name, checkpoint in checkpoints.items()
        if (pages := examples_of(checkpoint))
    )
    return (
        f"Both learn from {budget:,} logged pages at most (`--pages`): the pipeline from "
        f"{pipeline:,}, drawn from all days before the held-out ones, titles' appeal in WBC from "
        f"the newest {min(budget, logged):,}, the last of those days left out. Sequences are "
        f"learnt from fewer, page by page: {stages}. RL makes pages of its own beside."
    )


def examples_of(checkpoint: Checkpoint) -> int:
    """How many logged pages a checkpoint's own training went through, repeated ones each time."""
    lines = checkpoint.extra.get("metrics.jsonl", b"").splitlines()
    return sum(json.loads(line).get("examples", 0) for line in lines)


def _variety(
    workshop: Workshop, visits: JudgedVisits, checkpoint: Checkpoint, shown: dict[str, list[Page]]
) -> list[Row]:
    catalog = visits.catalog
    content = content_encoder(checkpoint.encoder).encode(catalog.entities)
    counts = np.zeros(len(catalog.entities))
    events = workshop.data().events(columns=("entity_id",))
    for name, count in events["entity_id"].value_counts().iter_rows():
        index = catalog.entity_index(name)
        if index is not None:
            counts[index] = count
    rows = []
    for name, pages in shown.items():
        found = variety(
            [
                Shown(page, visit.request.user_id, visit.request.at)
                for page, visit in zip(pages, visits.visits, strict=True)
            ],
            catalog,
            content,
            counts,
        )
        rows += [
            Row.of(name, found.diversity, series="diversity"),
            Row.of(name, found.novelty, series="novelty"),
            Row.of(name, found.new, series="new"),
            Row(name, found.coverage, series="coverage"),
        ]
    return rows


def _latency(workshop: Workshop, checkpoint: Path) -> tuple[list[Row], str]:
    """Milliseconds a page, the model's over the pipeline's, and of what sizes all that is.

    None where nothing can serve.
    """
    bench = workshop.bench
    if bench is None:
        return [], ""

    def measured() -> object:
        bundle = workshop.folder / "bundle"
        if not bundle.is_dir():
            export_bundle(Checkpoint.load(checkpoint), bundle)
        return bench(bundle, workshop.data().path)

    told = workshop.mapping("latency", measured)
    rows = [Row(name, float(value), series="ratio") for name, value in told["ratio"].items()]
    for name in ("model_cold", "multistage_cold", "model_returning", "multistage_returning"):
        for kind, said in (("page_ms", "ms"), ("cpu_ms", "ms of CPU")):
            spread = told[name][kind]
            interval = (spread["ci95"][0], spread["ci95"][1])
            rows += [
                Row(f"{name} p50 ({said})", spread["p50"], interval, series="latency"),
                Row(f"{name} p99 ({said})", spread["p99"], series="latency"),
            ]
    said = (
        "Milliseconds of CPU are the whole process's, on one thread: what a page would wait on a "
        "machine that does nothing else."
    )
    for title, part in (("Sizes", told["sizes"]), ("The pipeline's parts", told["parts"])):
        said += f" {title}: " + ", ".join(f"{key} {value}" for key, value in part.items()) + "."
    return rows, said


STUDY = Study(
    "multistage",
    "One model against the pipeline it replaces",
    "Are the pages of one generative model worth more than those of a multi-stage pipeline that is "
    "built properly, and do they take less time?",
    "core engagement +0.24% (p < 0.001), end-to-end serving latency -20%.",
    run,
)
