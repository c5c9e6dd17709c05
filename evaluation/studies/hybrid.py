"""Hybrid decoding: what a page is worth over the number of entities decoded one by one."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from evaluation.intervals import Values, difference_of, mean_of
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import pretrained
from evaluation.studies.study import Study
from evaluation.studies.visits import JudgedVisits, model_pages
from evaluation.studies.workshop import Workshop
from model.checkpoint import Checkpoint

# The first entity and the fill behind it come from the same scores, so 1 is a row filled at once.
NUMBERS = (1, 2, 4, 8, 20)


def run(workshop: Workshop) -> Findings:
    """Judge the same visits' pages at every number."""
    checkpoint = Checkpoint.load(pretrained(workshop))
    visits = JudgedVisits.of(workshop, checkpoint)
    rewards: dict[int, Values] = {}

    def judged(number: int) -> Sequence[float]:
        pages = model_pages(workshop, visits.catalog, checkpoint, autoregressive=number)
        rewards: list[float] = visits.rewards(pages, checkpoint.rules).tolist()
        return rewards

    for number in NUMBERS:
        found = workshop.figures(f"hybrid-{number}", partial(judged, number))
        rewards[number] = np.array(found)
    members = visits.members
    rows = [
        Row.of(f"{number} one by one", mean_of(found, members), series="page reward", x=number)
        for number, found in rewards.items()
    ]
    last = rewards[NUMBERS[-1]]
    rows += [
        Row.of(
            f"{number} less all", difference_of(found, last, members), series="difference", x=number
        )
        for number, found in rewards.items()
        if number != NUMBERS[-1]
    ]
    return Findings(
        rows,
        Axes("entities of a row decoded one by one", "true page reward", log="x"),
        workshop.simulated,
        notes=(
            f"By the pretrained model (`{workshop.scale.size}`, {workshop.scale.steps} steps). "
            "At 1 a row's first title and its fill come from the same scores: nothing but the row "
            "itself is decoded before. At 20 every title sees all before it. Pages are greedy, of "
            "10 rows with 20 titles, for the same visits; differences are paired."
        ),
        unplotted=("difference",),
    )


STUDY = Study(
    "hybrid",
    "Hybrid row decoding",
    "How many titles of a row must be decoded one by one before the rest may be filled at once?",
    "quality is kept when only the first few are.",
    run,
)
