"""Daily updates against a stale model: the quality of the next title, day after day.

- The *stale* curve: a day asked about by the base model, which was last updated so many days ago,
  beside the model that was updated the night before.
- The *forgetting* curve: the same older days, which the base model had learnt, asked about again
  after every update, with the lists that were known then; so that it falls by what is forgotten.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from evaluation.freshness import older_days, slice_document
from evaluation.intervals import difference_of
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import asked_days, asked_model
from evaluation.studies.study import Study
from evaluation.studies.workshop import Workshop
from genpage.errors import CheckpointError
from model.checkpoint import Checkpoint
from training.cadence import Cadence
from training.continuing import objective_of
from training.updates import Updates

_FIGURE = "hr@10"
_DIFFERENCE, _FORGOTTEN = "difference", "forgotten"


def run(workshop: Workshop) -> Findings:
    """One model goes on every day, the other stays; what the first has forgotten on the way."""
    asked, base = asked_days(workshop), asked_model(workshop)
    older = _older(workshop)
    fresh, stale = [], []
    known = {
        name: [_told(workshop, "daily-base", partial(_asked_again, workshop, base), name)]
        for name in older
    }
    for day in asked:
        update = partial(
            _told, workshop, f"daily-fresh-{day}", partial(_updated, workshop, base, day)
        )
        fresh.append(update("before"))
        stale.append(
            _told(workshop, f"daily-stale-{day}", partial(_judged, workshop, base, day), "before")
        )
        for name in older:
            known[name].append(update(name))
    rows = [
        Row(f"day {age}", value, series=series, x=float(age))
        for series, values in (("updated every day", fresh), ("not updated", stale))
        for age, value in enumerate(values, 1)
    ]
    rows += [
        Row(f"after {updates} updates", value, series=name, x=float(updates))
        for name, values in known.items()
        for updates, value in enumerate(values)
    ]
    rows.append(
        Row.of(
            "updated less not, mean over the days",
            difference_of(np.array(fresh), np.array(stale), np.arange(len(asked))),
            series=_DIFFERENCE,
        )
    )
    rows += [
        Row(
            f"{name}, after the last update less before the first",
            values[-1] - values[0],
            series=_FORGOTTEN,
        )
        for name, values in known.items()
    ]
    return Findings(
        rows,
        Axes("days since the base model's last", "HR@10 of the next title"),
        workshop.simulated,
        notes=(
            f"Both begin with the same model, which has learnt the days before {asked[0]}. A day "
            f"is judged before anybody trains on it: *not updated* is how good a model is of 1 to "
            f"{len(asked)} days ago. The days *learnt* before the first update are asked about "
            "again after each: with the lists of what goes together as of then, so that they are "
            "the same questions, and what changes is what the weights have forgotten in spite of "
            f"the past {Cadence().past_days} days that each update rehearses from, these among "
            f"them. They are few questions ({_counted(workshop, base)}), so that one more or less "
            "answered shows. Days differ in how hard they are; a curve is compared with itself. "
            "The interval of the difference is by bootstrap over days."
        ),
        unplotted=(_DIFFERENCE, _FORGOTTEN),
    )


def _older(workshop: Workshop) -> Mapping[str, str]:
    """What a day is called -> the day: some that the base model has learnt."""
    first, older = workshop.data().days()[0], older_days(asked_days(workshop)[0])
    return {f"learnt {ago} days before": day for ago, day in older.items() if day >= first}


def _counted(workshop: Workshop, base: Path) -> str:
    """How many questions each of the older days asks, in words."""
    found = workshop.mapping("daily-base", partial(_asked_again, workshop, base))
    return ", ".join(f"{name}: {found[name]['questions']}" for name in _older(workshop))


def _updated(workshop: Workshop, base: Path, day: str) -> Mapping[str, object]:
    """Judge a day, train on it, keep the checkpoint, and ask about the older days."""
    parent = Checkpoint.load(_before(workshop, base, day))
    updates = Updates(workshop.data(), parent, objective_of(parent))
    update = updates.day(day, Cadence())
    if update.before is None:
        raise RuntimeError("a judged day has no slice. This is a bug.")
    out = _updated_to(workshop, day)
    updates.checkpoint().save(out)
    return {"before": slice_document(update.before), **_asked_again(workshop, out)}


def _before(workshop: Workshop, base: Path, day: str) -> Path:
    """The model that goes on with a day: the base on the first, then that of the day before it.

    `CheckpointError` where that one is gone: a model that left days out is not updated every day.
    """
    asked = list(asked_days(workshop))
    place = asked.index(day)
    if not place:
        return base
    before = _updated_to(workshop, asked[place - 1])
    if not before.is_dir():
        raise CheckpointError(
            f"{before} is gone, and the update of {day} goes on from it; `genpage study daily "
            "--force` makes all of them anew"
        )
    return before


def _updated_to(workshop: Workshop, day: str) -> Path:
    return workshop.folder / "checkpoints" / f"daily-{day}"


def _asked_again(workshop: Workshop, checkpoint: Path) -> Mapping[str, object]:
    """The older days, which the base model learnt, and updates rehearse from."""
    updates = Updates(workshop.data(), Checkpoint.load(checkpoint))
    return {
        name: slice_document(updates.judged(day, lists_of=day))
        for name, day in _older(workshop).items()
    }


def _judged(workshop: Workshop, checkpoint: Path, day: str) -> Mapping[str, object]:
    updates = Updates(workshop.data(), Checkpoint.load(checkpoint))
    return {"before": slice_document(updates.judged(day))}


def _told(workshop: Workshop, name: str, compute: Callable[[], object], what: str) -> float:
    """The figure of one of a step's slices; 0 where nothing was asked."""
    found = workshop.mapping(name, compute)
    return float(found[what][_FIGURE] or 0.0)


STUDY = Study(
    "daily",
    "Daily updates against a stale model",
    "What is a model that trains on every finished day worth over one that stays as it was, and "
    "what does it forget on the way?",
    "fresher is better.",
    run,
)
