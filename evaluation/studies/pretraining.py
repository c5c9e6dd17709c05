"""Pretraining before WBC, or not: the same steps in all, the same held-out visits."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from evaluation.intervals import Values, difference_of, mean_of
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import classified, pretrained, unprepared
from evaluation.studies.study import Study
from evaluation.studies.visits import JudgedVisits, model_pages
from evaluation.studies.workshop import Workshop
from model.checkpoint import Checkpoint


def run(workshop: Workshop) -> Findings:
    """Three checkpoints, one judge."""
    paths = {
        "pretrained alone": pretrained(workshop),
        "WBC from nothing": unprepared(workshop),
        "pretrained, then WBC": classified(workshop),
    }
    checkpoints = {name: Checkpoint.load(path) for name, path in paths.items()}
    visits = JudgedVisits.of(workshop, checkpoints["pretrained alone"])
    rewards: dict[str, Values] = {}

    def judged(checkpoint: Checkpoint) -> Sequence[float]:
        pages = model_pages(workshop, visits.catalog, checkpoint)
        rewards: list[float] = visits.rewards(pages, checkpoint.rules).tolist()
        return rewards

    for name, checkpoint in checkpoints.items():
        step = f"pretraining-{paths[name].name}"
        rewards[name] = np.array(workshop.figures(step, partial(judged, checkpoint)))
    members, both = visits.members, rewards["pretrained, then WBC"]
    rows = [
        Row.of(name, mean_of(found, members), series="page reward")
        for name, found in rewards.items()
    ]
    rows += [
        Row.of(f"both over {name}", difference_of(both, found, members), series="difference")
        for name, found in rewards.items()
        if found is not both
    ]
    return Findings(
        rows,
        Axes("true page reward", ""),
        workshop.simulated,
        notes=(
            f"WBC from nothing takes {2 * workshop.scale.steps} steps, as many as both stages "
            "together. Differences are paired over the same visits."
        ),
        unplotted=("difference",),
    )


STUDY = Study(
    "pretraining",
    "Pretraining before WBC",
    "Does next-token pretraining help the post-training that follows it?",
    "large gains in loss, row AUC and entity AUC.",
    run,
)
