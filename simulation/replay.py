"""Pages simulated over real events: what a service might have shown to those who then acted.

Real logs of ratings have no impressions. For a seeded sample of sittings (a member's events with
less than twelve hours between them) one page is made up: rows and titles are drawn by a logging
policy from what was released and trending by then and from the member's own earlier genres, never
from the future, and the titles that the member really went for take places on it. The policy is
position-aware: a title that was acted on more likely stood where people look. Rows, places,
``seen`` and the propensities are simulated, and every line says so.

An act has no seat where its title was not released when the page was made (as when the act itself
is the title's first), or where no row of the page can hold it. Such acts are counted.
Propensities are exact (`simulation.replay_policy`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl

from dataset.day import day_of
from genpage.catalog import Catalog
from genpage.event import Event
from simulation.replay_policy import BEFORE_S, ReplayPolicy
from simulation.replay_table import ReplayTable, Seat
from simulation.sitting import sittings


@dataclass(frozen=True, slots=True)
class ReplayedDay:
    """The pages of one UTC day.

    ``seats`` by event id, and only for a title's first act in its sitting: the act that its
    impression tells. ``unseated`` counts titles that were acted on and have no place on the page,
    ``skipped`` the pages that could not be made since no row had enough titles.
    """

    day: str
    impressions: pl.DataFrame
    seats: Mapping[str, Seat]
    unseated: int
    skipped: int


def replay(
    catalog: Catalog,
    events: Sequence[Event],
    *,
    pages: int,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> Iterator[ReplayedDay]:
    """Each day with pages; ``progress`` hears of each page."""
    chance = np.random.default_rng(seed)
    every = sittings(events)
    chosen = np.sort(chance.permutation(len(every))[:pages])
    policy = ReplayPolicy(catalog, events, chance)
    table = ReplayTable(catalog)
    made = (
        (day_of(every[index].events[0].ts - BEFORE_S), policy.page(f"mt-p{index}", every[index]))
        for index in chosen.tolist()
    )
    for day, group in groupby(made, key=lambda page: page[0]):
        found = []
        skipped = 0
        for _, page in group:
            if page is None:
                skipped += 1
            else:
                found.append(page)
            progress()
        yield ReplayedDay(
            day=day,
            impressions=table.frame(found),
            seats=table.seats(found),
            unseated=sum(page.unseated for page in found),
            skipped=skipped,
        )
