"""Daily updates against a stale model: the quality of the next title, day after day."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from dataset.day import day_of, day_start
from evaluation.intervals import difference_of
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import asked_days, asked_model
from evaluation.studies.study import Study
from evaluation.studies.workshop import Workshop
from genpage.catalog import SECONDS_A_DAY
from model.checkpoint import Checkpoint
from training.pretrain import Pretraining
from training.updates import Cadence, Slice, Updates

# How far back the updated model is asked about what it learnt.
AGES = (1, 7, 14)
_FIGURE = "hr10"


def run(workshop: Workshop) -> Findings:
    """One model goes on every day, the other stays; then what the first has forgotten."""
    days, asked = workshop.data().days(), asked_days(workshop)
    count, base = len(asked), asked_model(workshop)
    fresh, stale = {}, {}
    for day in asked:
        fresh[day] = _told(workshop, f"daily-fresh-{day}", partial(_updated, workshop, base, day))
        stale[day] = _told(workshop, f"daily-stale-{day}", partial(_judged, workshop, base, day))
    rows = []
    for series, slices in (("updated every day", fresh), ("not updated", stale)):
        rows += [
            Row(f"day {age}", slices[day], series=series, x=float(age))
            for age, day in enumerate(asked, 1)
        ]
    one = np.array([fresh[day] for day in asked])
    other = np.array([stale[day] for day in asked])
    rows.append(
        Row.of(
            "updated less not, mean over the days",
            difference_of(one, other, np.arange(count)),
            series="difference",
        )
    )
    last = asked[-1]
    after = workshop.folder / "checkpoints" / f"daily-{last}"
    for age in AGES:
        then = day_of(day_start(last) - age * SECONDS_A_DAY)
        if then < days[0]:
            continue
        for name, path in (("updated", after), ("base", base)):
            step = f"daily-older-{name}-{then}"
            value = _told(workshop, step, partial(_judged, workshop, path, then))
            rows.append(Row(f"{name}, a day {age} days back", value, series="older days"))
    return Findings(
        rows,
        Axes("days since the base model's last", "HR@10 of the next title"),
        workshop.simulated,
        notes=(
            "Both begin with the same model. A day is judged before anybody trains on it. Older "
            "days are asked about after the last update: what was learnt there and is still known. "
            "The interval of the difference is by bootstrap over days."
        ),
        unplotted=("difference", "older days"),
    )


def _updated(workshop: Workshop, base: Path, day: str) -> Mapping[str, object]:
    """Judge a day, train on it, keep the checkpoint."""
    before = workshop.folder / "checkpoints" / f"daily-{day_of(day_start(day) - SECONDS_A_DAY)}"
    parent = before if before.is_dir() else base
    updates = Updates(workshop.data(), Checkpoint.load(parent), Pretraining())
    update = updates.day(day, Cadence())
    updates.checkpoint().save(workshop.folder / "checkpoints" / f"daily-{day}")
    assert update.before is not None
    return _document(update.before)


def _judged(workshop: Workshop, checkpoint: Path, day: str) -> Mapping[str, object]:
    updates = Updates(workshop.data(), Checkpoint.load(checkpoint), Pretraining())
    return _document(updates.judged(day))


def _document(found: Slice) -> Mapping[str, object]:
    return asdict(found)


def _told(workshop: Workshop, name: str, compute: Callable[[], object]) -> float:
    found = workshop.step(name, compute)
    assert isinstance(found, dict)
    return float(found[_FIGURE] or 0.0)


STUDY = Study(
    "daily",
    "Daily updates against a stale model",
    "What is a model that trains on every finished day worth over one that stays as it was?",
    "fresher is better.",
    run,
)
