"""What a model's pages are truly worth, on a simulated service whose truth is known.

For visits of the held-out day, the page that a checkpoint gives (greedy, as served), and the
judge's exact expectation of its reward. Models are compared on the same visits, with the intervals
of `evaluation.intervals`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dataset.folder import DataFolder
from evaluation.intervals import Units, Values
from evaluation.multistage.learning import learn_pipeline
from evaluation.multistage.pages import pipeline_pages
from evaluation.policy import Policy
from genpage.audit import violations
from genpage.catalog import Catalog
from genpage.errors import UsageError
from genpage.exploration import seed_of
from genpage.page import Page
from genpage.rules import Rules
from model.appealing import appeal_over
from model.checkpoint import Checkpoint
from model.covering import covering
from model.sampling import PageSampler, Shape
from simulation.judge import Judge, Showing
from training.visits import PageSize, Visits

_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A model's pages: their true rewards (B,), whose visits they are (B,), broken rules.

    ``learnt_from`` is how many logged pages were learnt from, where that was counted.
    """

    rewards: Values
    members: Units
    violations: int
    learnt_from: int | None = None


def judge_checkpoint(
    data: Path,
    checkpoint: Checkpoint,
    days: Sequence[str],
    *,
    count: int,
    size: PageSize,
    autoregressive: int = 4,
    seed: int = 0,
) -> Judged:
    """The pages of a checkpoint for visits of ``days``, judged.

    The same days, count and seed name the same visits for every checkpoint.
    """
    over, visits = _visits(data, checkpoint, days, count, size, seed)
    pages = decode(over, visits.catalog, visits, Policy(autoregressive=autoregressive))
    return _judged(data, visits, pages, over.rules)


def judge_pipeline(
    data: Path,
    checkpoint: Checkpoint,
    day: str,
    *,
    count: int,
    size: PageSize,
    seed: int = 0,
) -> Judged:
    """The pages of the multi-stage pipeline, learnt from all before ``day``, for its visits.

    Visits and rules are those that the checkpoint is judged by.
    """
    over, visits = _visits(data, checkpoint, [day], count, size, seed)
    pipeline = learn_pipeline(DataFolder(data), day, rules=over.rules)
    judged = _judged(data, visits, pipeline_pages(pipeline, visits.visits), over.rules)
    return replace(judged, learnt_from=pipeline.rankers.pages)


def _visits(
    data: Path, checkpoint: Checkpoint, days: Sequence[str], count: int, size: PageSize, seed: int
) -> tuple[Checkpoint, Visits]:
    """The checkpoint over the whole catalog, and the visits with its prompts."""
    if not (data / "truth").is_dir():
        raise UsageError(f"{data} holds no truth: only a simulated service can be judged")
    folder = DataFolder(data)
    catalog = folder.catalog()
    over = covering(checkpoint, catalog)
    encoder = over.prompts
    return over, Visits.read(folder, catalog, encoder, days, count=count, size=size, seed=seed)


def _judged(data: Path, visits: Visits, pages: Sequence[Page], rules: Rules) -> Judged:
    rewards = Judge.open(data).rewards(
        [
            Showing(page, visit.request.user_id, visit.request.at, visit.request.device)
            for page, visit in zip(pages, visits.visits, strict=True)
        ]
    )
    broken = sum(
        len(violations(page, visits.catalog, rules, visit.context, visit.request, visit.trends))
        for page, visit in zip(pages, visits.visits, strict=True)
    )
    names = [visit.request.user_id for visit in visits.visits]
    _, members = np.unique(np.array(names), return_inverse=True)
    return Judged(rewards, members.astype(np.int64), broken)


def decode(checkpoint: Checkpoint, catalog: Catalog, visits: Visits, policy: Policy) -> list[Page]:
    """The pages of all visits, in their order and each as large as it was asked for.

    What is drawn depends on the ids of the pages served then.
    """
    network = checkpoint.network()
    rows, entities = checkpoint.vocabulary.item_tokens(catalog)
    asked = np.array([visit.request.rows for visit in visits.visits], np.int64)
    pages: dict[int, Page] = {}
    for count in np.unique(asked).tolist():
        shape = Shape(count, policy.autoregressive, 0.0, checkpoint.serialised, policy.exploration)
        sampler = PageSampler(network, rows, entities, shape)
        places = np.flatnonzero(asked == count).tolist()
        some = tuple(visits.visits[place] for place in places)
        pages.update(
            zip(places, _sampled(sampler, checkpoint, replace(visits, visits=some)), strict=True)
        )
    return [pages[place] for place in range(len(asked))]


def _sampled(sampler: PageSampler, checkpoint: Checkpoint, visits: Visits) -> list[Page]:
    """The pages of visits that ask for equally many rows."""
    catalog = visits.catalog
    appeal = appeal_over(checkpoint, catalog)
    pages: list[Page] = []
    for start in range(0, len(visits.visits), _BATCH):
        batch = visits.visits[start : start + _BATCH]
        grammars = [visit.grammar(catalog, checkpoint.rules) for visit in batch]
        appeals = [
            None if appeal is None else appeal.page(visit.context, visit.request, visit.trends)
            for visit in batch
        ]
        sampled = sampler.pages(
            [visit.prompt for visit in batch],
            grammars,
            appeals=appeals,
            explored_by=[seed_of(visit.page_id) for visit in batch],
        )
        pages += [visits.page(page) for page in sampled]
    return pages
