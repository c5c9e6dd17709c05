"""Pretraining before WBC, or not: the same held-out pages and visits for all."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from evaluation.intervals import Estimate, Values, difference_of, mean_of
from evaluation.logged_pages import read_pages
from evaluation.page_metrics import auc_of, wbc_loss
from evaluation.scored_pages import score_places
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import classified, pretrained, unprepared
from evaluation.studies.study import Study
from evaluation.studies.visits import JudgedVisits, model_pages
from evaluation.studies.workshop import Workshop
from model.checkpoint import Checkpoint

PAGES = 500
_BOTH, _ALONE, _LONGER = "pretrained, then WBC", "WBC alone", "WBC alone, twice as long"


def run(workshop: Workshop) -> Findings:
    """Four checkpoints, one judge, the same logged pages."""
    steps = workshop.scale.steps
    paths = {
        "pretrained alone": pretrained(workshop),
        _ALONE: unprepared(workshop, steps),
        _LONGER: unprepared(workshop, 2 * steps),
        _BOTH: classified(workshop),
    }
    checkpoints = {name: Checkpoint.load(path) for name, path in paths.items()}
    visits = JudgedVisits.of(workshop, checkpoints[_BOTH])

    def judged(checkpoint: Checkpoint) -> Sequence[float]:
        pages = model_pages(workshop, visits.catalog, checkpoint)
        rewards: list[float] = visits.rewards(pages, checkpoint.rules).tolist()
        return rewards

    rewards: dict[str, Values] = {}
    rows: list[Row] = []
    for name, checkpoint in checkpoints.items():
        step = f"pretraining-{paths[name].name}"
        rewards[name] = np.array(workshop.figures(step, partial(judged, checkpoint)))
        rows.append(Row.of(name, mean_of(rewards[name], visits.members), series="page reward"))
    both = rewards[_BOTH]
    rows += [
        Row.of(f"{_BOTH}, less {name}", difference_of(both, found, visits.members), series="reward")
        for name, found in rewards.items()
        if found is not both
    ]
    for name, checkpoint in checkpoints.items():
        if name != "pretrained alone":  # its logits are of no classification
            told = workshop.estimates(
                f"offline-{paths[name].name}", partial(_offline, workshop, checkpoint)
            )
            rows += [
                Row.of(name, found, series=series)
                for series, found in zip(("WBC loss", "title AUC", "row AUC"), told, strict=True)
            ]
    return Findings(
        rows,
        Axes("true page reward", ""),
        workshop.simulated,
        notes=(
            f"Pretraining takes {steps} steps, WBC behind it {steps}. *WBC alone* begins with "
            f"nothing and takes {steps} too, *twice as long* as many as both stages together. "
            "Differences are paired over the same visits. Loss and AUC are of logged pages of the "
            f"held-out days, {PAGES} at most, of the titles and rows that were seen."
        ),
        unplotted=("reward", "WBC loss", "title AUC", "row AUC"),
    )


def _offline(workshop: Workshop, checkpoint: Checkpoint) -> Sequence[Estimate]:
    """WBC loss, title AUC and row AUC."""
    pages = read_pages(workshop.data(), checkpoint, workshop.held_out(), count=PAGES)
    titles, rows = score_places(workshop.data(), checkpoint, pages)
    return [wbc_loss(titles, unrewarded=0.0), auc_of(titles), auc_of(rows)]


STUDY = Study(
    "pretraining",
    "Pretraining before WBC",
    "Does next-token pretraining help the post-training that follows it?",
    "large gains in loss, row AUC and entity AUC.",
    run,
)
