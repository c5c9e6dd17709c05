"""In-session actions: how far one play changes the next page, and how long it goes on to."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import mean_of
from evaluation.policy import Policy
from evaluation.studies.findings import Axes, Findings, Row
from evaluation.studies.models import pretrained
from evaluation.studies.study import Study
from evaluation.studies.visits import JudgedVisits
from evaluation.studies.workshop import Workshop
from evaluation.true_reward import decode
from genpage.catalog import Catalog
from genpage.context import apply_event
from genpage.event import Event
from genpage.injection import inject
from genpage.page import Page
from model.checkpoint import Checkpoint
from model.covering import covering
from tokenizer.content import content_encoder
from training.visits import Visit, Visits

# Hours between the play and the page.
HOURS = (0.02, 1.0, 6.0, 24.0, 48.0, 96.0, 192.0)
# By which rows of a page a change is told: those that are looked at.
_ROWS = 3


def run(workshop: Workshop) -> Findings:
    """The same visits with and without a play some hours before, at every distance."""
    checkpoint = Checkpoint.load(pretrained(workshop))
    visits = JudgedVisits.of(workshop, checkpoint)
    catalog, played = visits.catalog, plays(visits.visits, visits.catalog)
    vectors = content_encoder(checkpoint.encoder).encode(catalog.entities)

    def told(hours: float | None) -> list[list[str]]:
        shown = visits.visits
        if hours is not None:
            shown = with_play(shown, catalog, played, hours)
        return _titles(_pages(checkpoint, catalog, shown))

    before = workshop.listed("in-session-without", partial(told, None))
    rows = []
    for hours in HOURS:
        after = workshop.listed(f"in-session-{hours:g}h", partial(told, hours))
        closer = np.array(
            [
                _nearness(catalog, vectors, one, title) - _nearness(catalog, vectors, other, title)
                for one, other, title in zip(after, before, played, strict=True)
            ]
        )
        other = np.array([_difference(one, two) for one, two in zip(after, before, strict=True)])
        rows.append(
            Row.of(f"{hours:g} h", mean_of(closer, visits.members), series="closer to it", x=hours)
        )
        rows.append(
            Row.of(f"{hours:g} h", mean_of(other, visits.members), series="titles changed", x=hours)
        )
    return Findings(
        rows,
        Axes("hours since the play", "change of the page's first three rows", log="x"),
        f"{workshop.simulated} The play that is added is made up: a title drawn for the member.",
        notes=(
            f"By the pretrained model (`{workshop.scale.size}`, {workshop.scale.steps} steps). "
            "Each visit's page is decoded twice: as it was, and as if the member had played one "
            "more title so many hours before. *Closer to it* is by how much the mean content "
            "cosine of the first three rows to that title rises, *titles changed* the share of "
            "their titles that were not there before. Nothing else differs between the two."
        ),
        unplotted=("titles changed",),
    )


def plays(visits: Sequence[Visit], catalog: Catalog, *, seed: int = 0) -> list[int]:
    """A title for each visit, by catalog index, that the member had nothing of, and could have."""
    chance = np.random.default_rng(seed)
    chosen = []
    for visit in visits:
        had = set(catalog.indices(event.entity_id for event in visit.context.events))
        profile = visit.context.profile
        limit = 18 if profile is None else profile.maturity
        could = [
            index
            for index, entity in enumerate(catalog.entities)
            if index not in had
            and entity.kind in {"film", "show"}
            and entity.maturity <= limit
            and (entity.released_at or 0.0) < visit.request.at
        ]
        chosen.append(int(chance.choice(could)))
    return chosen


def with_play(
    visits: Sequence[Visit], catalog: Catalog, played: Sequence[int], hours: float
) -> tuple[Visit, ...]:
    """The visits as if each title had been played to its end so many hours before."""
    changed = []
    for visit, title in zip(visits, played, strict=True):
        entity = catalog.entities[title]
        event = Event(
            "in-session",
            visit.request.user_id,
            entity.id,
            "play",
            visit.request.at - 3600.0 * hours,
            duration_s=entity.duration_s,
        )
        changed.append(replace(visit, context=apply_event(visit.context, event)))
    return tuple(changed)


def _pages(checkpoint: Checkpoint, catalog: Catalog, visits: Sequence[Visit]) -> list[Page]:
    """Greedy pages, of prompts that are encoded anew."""
    over = covering(checkpoint, catalog)
    encoder = over.prompts
    encoded = tuple(
        replace(
            visit,
            prompt=encoder.encode(
                visit.context, visit.request, inject(catalog, visit.trends, visit.request.at)
            ).tokens,
        )
        for visit in visits
    )
    return decode(over, catalog, Visits(catalog, encoded), Policy())


def _titles(pages: Sequence[Page]) -> list[list[str]]:
    """The titles of each page's first rows, in a form that a step keeps."""
    return [[title for row in page.rows[:_ROWS] for title in row.entity_ids] for page in pages]


def _nearness(
    catalog: Catalog, vectors: NDArray[np.float32], titles: Sequence[str], to: int
) -> float:
    """The mean cosine of content vectors (unit length); the title itself left out."""
    others = [index for index in catalog.indices(titles) if index != to]
    return float((vectors[others] @ vectors[to]).mean()) if others else 0.0


def _difference(one: Sequence[str], two: Sequence[str]) -> float:
    """The share of titles that the other page's first rows lack."""
    return len(set(one) - set(two)) / max(1, len(set(one)))


STUDY = Study(
    "in-session",
    "In-session actions",
    "How far does one action change the next page, and for how long?",
    "they act at once and fade after a day or two.",
    run,
)
