"""Sources of context, one by one: what each takes off the WBC loss of held-out pages.

One shape of model, trained anew from nothing with each list of sources (`genpage.sources`), by WBC
on the same pages and for as many steps. Raw histories are short here, so that members have a
summary at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from evaluation.intervals import Units, Values, ratio_of
from evaluation.logged_pages import read_pages
from evaluation.page_metrics import Places
from evaluation.scored_pages import score_places
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.study import Study
from evaluation.studies.workshop import Workshop
from evaluation.variety import numbered
from genpage.sources import SOURCES, SourceName, Sources
from model.checkpoint import Checkpoint
from training.rewards.declaration import Rewards
from training.wbc import WeightedClassification

HISTORY_TOKENS = 128
PAGES = 1000
# What is added, in this order. The lists of what goes together come with the history.
ADDED: tuple[tuple[str, tuple[SourceName, ...]], ...] = (
    ("profile", ("profile",)),
    ("request", ("request",)),
    ("history up to midnight", ("history", "together")),
    ("summary of what was before", ("summary",)),
    ("in-session actions", ("in_session",)),
    ("new and live titles", ("new", "live")),
    ("trending now", ("trending",)),
)


@dataclass(frozen=True, slots=True)
class Read:
    """One list of sources: what it adds to the one before it."""

    name: str
    sources: Sources

    @property
    def step(self) -> str:
        """Names its checkpoint and its figures."""
        return "-".join(("context", *self.sources.off)) if self.sources.off else "context-all"


def variants() -> list[Read]:
    """From no source to all of them."""
    off = set(SOURCES)
    found = [Read("no context", Sources.without(SOURCES))]
    for name, more in ADDED:
        off -= set(more)
        found.append(Read(f"and {name}", Sources.without(x for x in SOURCES if x in off)))
    return found


def run(workshop: Workshop) -> Findings:
    """Train each, judge the same pages, compare each with the one before it."""
    every = variants()
    losses: dict[str, Losses] = {}
    for read in every:
        figures = workshop.figures(read.step, partial(_judged, workshop, read))
        losses[read.name] = Losses.told(figures)
    rows = [
        Row.of(name, ratio_of(found.nats, found.weight, found.member), series="WBC loss")
        for name, found in losses.items()
    ]
    rows += [
        _change(after, losses[after], losses[before], "change, %")
        for before, after in pairwise(losses)
    ]
    first, last = every[0].name, every[-1].name
    rows.append(_change("all sources over none", losses[last], losses[first], "change, %"))
    return Findings(
        rows,
        Axes("WBC loss of impressed titles (nats by weight)", ""),
        workshop.simulated,
        notes=(
            f"A `{workshop.scale.size}` model each, of one seed, {workshop.scale.steps} steps of "
            f"WBC from nothing, {HISTORY_TOKENS} tokens of raw history. Judged on "
            f"{len(losses[first].nats):,} pages of the held-out days, titles that were seen, each "
            "at its own position of the page as it was logged. Changes are paired over the same "
            "pages, their intervals by bootstrap over members: they hold for these weights, and "
            "say nothing of what another seed would give."
        ),
        unplotted=("change, %",),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Weighted nats and weights of each page; n pages, all (n,)."""

    nats: Values
    weight: Values
    member: Units

    @classmethod
    def of(cls, places: Places, members: Units) -> "Losses":
        """The weighted binary cross-entropy of the places of pages whose members are (n,)."""
        weight, score = np.abs(places.reward), places.score
        nats = weight * np.logaddexp(0.0, np.where(places.reward > 0, -score, score))
        return cls(
            np.bincount(places.page, nats, len(members)).astype(np.float64),
            np.bincount(places.page, weight, len(members)).astype(np.float64),
            members,
        )

    def figures(self) -> list[float]:
        """As a step keeps it."""
        return [*self.nats.tolist(), *self.weight.tolist(), *map(float, self.member)]

    @classmethod
    def told(cls, figures: Sequence[float]) -> "Losses":
        """From a step's figures."""
        nats, weight, member = np.array(figures).reshape(3, -1)
        return cls(nats, weight, member.astype(np.int64))


def _change(name: str, after: Losses, before: Losses, series: str) -> Row:
    """By what share the loss changes, in percent; both over the same pages."""
    base = float(before.nats.sum() / before.weight.sum())
    change = 100.0 * (after.nats - before.nats) / base
    return Row.of(name, ratio_of(change, before.weight, before.member), series=series)


def _judged(workshop: Workshop, read: Read) -> Sequence[float]:
    """`Losses` in one line."""
    path = workshop.trained(
        read.step,
        WeightedClassification(Rewards.default()),
        history_tokens=HISTORY_TOKENS,
        sources=read.sources,
    )
    checkpoint, folder = Checkpoint.load(path), workshop.data()
    pages = read_pages(
        folder, checkpoint, workshop.held_out(), count=PAGES, seed=workshop.scale.seed
    )
    titles, _ = score_places(folder, checkpoint, pages)
    members = numbered([page.visit.request.user_id for page in pages])
    return Losses.of(titles, members).figures()


STUDY = Study(
    "context",
    "Sources of context",
    "What does each source of context take off the WBC loss, at one size of model?",
    "richer context, at the same size: WBC loss -6.9%.",
    run,
)
