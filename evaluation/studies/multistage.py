"""One model against the pipeline that it replaces: what pages are worth, and what they take."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from evaluation.intervals import mean_of, uplift_of
from evaluation.multistage.learning import LearningSettings, learn_pipeline
from evaluation.multistage.pages import pipeline_pages
from evaluation.multistage.pipeline import Pipeline
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

    def learnt() -> Pipeline:
        workshop.tell("the pipeline learns")
        settings = LearningSettings(pages=workshop.scale.pages)
        return learn_pipeline(workshop.data(), workshop.held_out()[0], settings=settings)

    worth: dict[str, list[float]] = {}
    shown: dict[str, list[Page]] = {}
    for name, checkpoint in found.items():
        shown[name] = _kept(
            workshop,
            f"pages-{name}",
            partial(model_pages, workshop, visits.catalog, checkpoint),
        )
    shown["multistage"] = _kept(
        workshop, "pages-multistage", lambda: pipeline_pages(learnt(), visits.visits)
    )
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
            "Latency is a 10 x 20 page behind the same routes, members in turn, in one process "
            "(`genpage bench multistage`). The pipeline's feature store is in that process, where "
            f"a real one would be a call away. {told}"
        ),
        unplotted=("uplift", "diversity", "coverage", "novelty", "new", "latency", "ratio"),
    )


def _kept(workshop: Workshop, name: str, make: Callable[[], list[Page]]) -> list[Page]:
    """Pages as a step."""
    told = workshop.step(
        name, lambda: [[[row.row_id, *row.entity_ids] for row in page.rows] for page in make()]
    )
    assert isinstance(told, list)
    return [Page(tuple(PageRow(row[0], tuple(row[1:])) for row in page)) for page in told]


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

    told = workshop.step("latency", measured)
    assert isinstance(told, dict)
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
