"""Short rows: what pages are worth over the number of a row's entities that are in the sequence."""

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from evaluation.intervals import Estimate, Values, difference_of, mean_of
from evaluation.logged_pages import LoggedPages, read_pages
from evaluation.page_metrics import auc_of
from evaluation.policy import Policy
from evaluation.scored_pages import score_places
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import classified
from evaluation.studies.study import Study
from evaluation.studies.visits import SIZE, JudgedVisits
from evaluation.studies.workshop import Workshop
from evaluation.true_reward import decode
from model.checkpoint import Checkpoint
from model.covering import covering
from tokenizer.page import entities_before_fill
from training.visits import Visits

# A whole row comes first: the others are compared with it.
NUMBERS: tuple[int | None, ...] = (None, 8, 4, 2)
PAGES = 500
AUTOREGRESSIVE = 4


def run(workshop: Workshop) -> Findings:
    """Train one of each, judge the same visits' pages and the same logged ones.

    Visits and logged pages are read once, for the model of whole rows: a prompt says nothing of how
    many titles of a row follow it, so the others' are the same.
    """
    rewards: dict[int, Values] = {}
    rows: list[Row] = []
    whole_rows = Checkpoint.load(classified(workshop))
    visits = JudgedVisits.of(workshop, whole_rows)
    members = visits.members
    logged = cache(partial(_logged, workshop, whole_rows))
    for number in NUMBERS:
        checkpoint = Checkpoint.load(classified(workshop, number))
        if _prompting(checkpoint) != _prompting(whole_rows):
            raise RuntimeError("models of one service take different prompts. This is a bug.")
        told = number or SIZE.entities_per_row
        found = workshop.figures(f"reward-{told}", partial(_judged, checkpoint, visits))
        of_titles, of_rows = workshop.estimates(
            f"auc-{told}", partial(_areas, workshop, checkpoint, logged)
        )
        rewards[told] = np.array(found)
        name = f"{told} of a row"
        rows += [
            Row.of(name, mean_of(rewards[told], members), series="page reward", x=told),
            Row.of(name, of_titles, series="entity AUC", x=told),
            Row.of(name, of_rows, series="row AUC", x=told),
            Row(name, float(SIZE.rows * (1 + told)), series="tokens of a page", x=told),
            Row(name, float(passes(number)), series="passes without drafts", x=told),
        ]
    whole = rewards[SIZE.entities_per_row]
    rows += [
        Row.of(
            f"{told} of a row less all", difference_of(found, whole, members), series="difference"
        )
        for told, found in rewards.items()
        if told != SIZE.entities_per_row
    ]
    return Findings(
        rows,
        Axes("entities of a row that are in the sequence", "true page reward", log="x"),
        workshop.simulated,
        notes=(
            f"A `{workshop.scale.size}` model each, {workshop.scale.steps} steps of pretraining "
            "and as many of WBC, of one seed and equally many tokens a step: shorter rows leave "
            "room for more pages in it, which is part of what they are worth. Pages are greedy, of "
            f"10 rows with 20 titles, up to {AUTOREGRESSIVE} of them decoded one by one, for the "
            "same visits; differences are paired. AUC is over what members did on logged pages, "
            "each title scored where the model would."
        ),
        unplotted=(
            *("entity AUC", "row AUC", "tokens of a page", "passes without drafts"),
            "difference",
        ),
    )


def passes(serialised: int | None) -> int:
    """Forward passes that a page takes behind its prompt without drafts."""
    before_fill = entities_before_fill(AUTOREGRESSIVE, serialised)
    # Whether what the fill gives is fed, in a pass of its own; behind the last row nothing is.
    fed = serialised is None or before_fill < serialised
    return SIZE.rows * (1 + before_fill + fed) - fed


def _prompting(checkpoint: Checkpoint) -> tuple[object, ...]:
    """What decides a checkpoint's prompts over one catalog."""
    return checkpoint.vocabulary.digest, checkpoint.history_tokens, checkpoint.sources


def _judged(checkpoint: Checkpoint, visits: JudgedVisits) -> Sequence[float]:
    """(B,) the visits' true rewards."""
    catalog = visits.catalog
    over = covering(checkpoint, catalog)
    pages = decode(
        over, catalog, Visits(catalog, visits.visits), Policy(autoregressive=AUTOREGRESSIVE)
    )
    rewards: list[float] = visits.rewards(pages, checkpoint.rules).tolist()
    return rewards


def _logged(workshop: Workshop, checkpoint: Checkpoint) -> LoggedPages:
    return read_pages(
        workshop.data(), checkpoint, workshop.held_out(), count=PAGES, seed=workshop.scale.seed
    )


def _areas(
    workshop: Workshop, checkpoint: Checkpoint, logged: Callable[[], LoggedPages]
) -> Sequence[Estimate]:
    """Of titles and of rows: the area under the curve."""
    folder, seed = workshop.data(), workshop.scale.seed
    return [auc_of(places, seed=seed) for places in score_places(folder, checkpoint, logged())]


STUDY = Study(
    "short-rows",
    "Short rows",
    "How many titles of a row must be in the sequence, for the rows below to see?",
    "nothing: their rows are whole.",
    run,
)
