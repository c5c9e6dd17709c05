"""Cold start: titles that nobody had before training's end, recommended from their content."""

from dataset.day import day_of, day_start
from evaluation.cold_start import cold_start
from evaluation.intervals import Estimate
from evaluation.source import Period, Source
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import asked_days, asked_model
from evaluation.studies.study import Study
from evaluation.studies.workshop import Workshop
from genpage.catalog import SECONDS_A_DAY
from model.checkpoint import Checkpoint


def run(workshop: Workshop) -> Findings:
    """Rank the unseen titles of the events since training's end."""
    asked = asked_days(workshop)
    period = Period(asked[0], day_of(day_start(asked[-1]) + SECONDS_A_DAY))
    checkpoint = Checkpoint.load(asked_model(workshop))
    source = Source.read(workshop.data(), period.last)
    found = cold_start(source, checkpoint, period, period.start, seed=workshop.scale.seed)
    rows = []
    for name, report in found.reports.items():
        summary = report.overall
        if summary.means is not None and summary.intervals is not None:
            low, high = summary.intervals[0]
            rows.append(Row.of(name, Estimate(summary.means[0], low, high), series="HR@10"))
    for name, uplift in found.uplifts.items():
        share = uplift.overall[0]
        if share is not None:
            rows.append(Row.of(f"the model over {name}", share, series="uplift"))
    return Findings(
        rows,
        Axes("HR@10 on titles unseen in training", ""),
        workshop.simulated,
        notes=(
            f"{found.titles} titles of the catalog that nobody had before the last {len(asked)} "
            "days, which the model has not seen, are ranked for each event with one of them. "
            "*genre* is how popular their genres were, *neighbours* how near their content is to "
            "what the member had last. The model is the one that the study of daily updates "
            "begins with: pretrained, then asked after every event of the days before."
        ),
        unplotted=("uplift",),
    )


STUDY = Study(
    "cold-start",
    "Day-zero recommendations",
    "How well are titles recommended that no model was trained on?",
    "content and fallback tokens make new titles recommendable on day zero.",
    run,
)
