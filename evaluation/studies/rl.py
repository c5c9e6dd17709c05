"""RL against WBC: the true reward of their pages, and their diversity, on the same visits."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Values, difference_of, mean_of
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import stages
from evaluation.studies.study import Study
from evaluation.studies.visits import JudgedVisits, model_pages
from evaluation.studies.workshop import Workshop
from evaluation.variety import distance
from genpage.page import Page
from model.checkpoint import Checkpoint
from tokenizer.content import content_encoder


def run(workshop: Workshop) -> Findings:
    """Every stage's pages, judged and looked through."""
    paths = stages(workshop)
    checkpoints = {name: Checkpoint.load(path) for name, path in paths.items()}
    first = next(iter(checkpoints.values()))
    visits = JudgedVisits.of(workshop, first)
    vectors = content_encoder(first.encoder).encode(visits.catalog.entities)

    def judged(checkpoint: Checkpoint) -> Sequence[float]:
        pages = model_pages(workshop, visits.catalog, checkpoint)
        rewards: list[float] = visits.rewards(pages, checkpoint.rules).tolist()
        return rewards + [_diversity(visits, vectors, page) for page in pages]

    count = len(visits.visits)
    reward: dict[str, Values] = {}
    diverse: dict[str, Values] = {}
    for name, checkpoint in checkpoints.items():
        both = np.array(workshop.figures(f"rl-{name}", partial(judged, checkpoint)))
        reward[name], diverse[name] = both[:count], both[count:]
    members = visits.members
    rows = [Row.of(name, mean_of(v, members), series="page reward") for name, v in reward.items()]
    rows += [Row.of(name, mean_of(v, members), series="diversity") for name, v in diverse.items()]
    for series, figures in (("reward gained", reward), ("diversity gained", diverse)):
        rows += [
            Row.of(
                f"{later} over {earlier}",
                difference_of(figures[later], figures[earlier], members),
                series=series,
            )
            for earlier, later in pairwise(figures)
        ]
    return Findings(
        rows,
        Axes("true page reward", ""),
        workshop.simulated,
        notes=(
            "Each stage goes on from the one before. Diversity is the mean content distance of "
            "all pairs of titles on a page; no stage is rewarded for it. Differences are paired "
            "over the same visits. RL is what its last step left: here nothing was chosen by the "
            "simulator's truth. (`genpage train rl` on a simulated service does choose by it: it "
            "keeps the step whose pages of held-out visits are truly worth most.)"
        ),
        unplotted=("diversity", "reward gained", "diversity gained"),
    )


def _diversity(visits: JudgedVisits, vectors: NDArray[np.float32], page: Page) -> float:
    titles = visits.catalog.indices(entity for row in page.rows for entity in row.entity_ids)
    return distance(vectors[list(titles)])


STUDY = Study(
    "rl",
    "RL against WBC",
    "Does reinforcement learning against a reward model find better pages than weighted "
    "classification of impressed titles, and are they more of the same?",
    "page reward up; diversity up although not rewarded.",
    run,
)
