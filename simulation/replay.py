"""Pages simulated over real events: what a service might have shown to those who then acted.

Real logs of ratings have no impressions. For a seeded sample of sittings (a member's events with
less than twelve hours between them) one page is made up: rows and titles are drawn by a logging
policy from what was released and trending by then and from the member's own earlier genres, never
from the future, and the titles that the member really went for take places on it. The policy is
position-aware: a title that was acted on more likely stood where people look. Rows, places,
``seen`` and the propensities are simulated, and every line says so.

An act has no seat where its title was not released when the page was made (as when the act itself
is the title's first), or where no row of the page can hold it. Such acts are counted.

Propensities follow `simulation.logging_policy`: the chance of this title at this place given all
before it on the page, and the first title of a row carries the row's chance as well, so that the
product over a page is the chance with which the policy draws that page. They are figured from the
finished page, by the policy as it is without knowing what will be acted on: seating an act changes
which page it is, not how the policy is asked for its chance.

Shape legend: R catalog rows, E entities, G genres, K rows of a page, C places of a row, N lines.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataset.day import day_of
from dataset.schema import IMPRESSIONS
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.context import HISTORY_LIMIT, Context
from genpage.event import Event
from genpage.member_rows import member_row
from genpage.request import DEVICES
from genpage.row import MEMBER_ROW_KINDS
from genpage.trends import TrendCounter, Trends
from simulation.plackett_luce import LEAST

SITTING_S = SECONDS_A_DAY / 2
ROWS, COLUMNS = 10, 20
# The page stood there this long before the sitting's first act.
_BEFORE_S = 30.0
_TREND_TICK_S = 3600.0
# How far a title's chance follows what trends and what the member liked; in logits.
_TREND_WEIGHT, _TASTE_WEIGHT = 1.2, 2.0
_ROW_WEIGHTS = {"trending": 3.0, "picks": 2.5, "because": 2.0, "new": 2.0, "my_list": 1.0}
_GENRE_WEIGHT, _OTHER_WEIGHT = 6.0, 0.4
# Examination falls by these factors a row and a column; what is acted on was seen.
_ROW_FADE, _COLUMN_FADE = 0.85, 0.9

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sitting:
    """A member's events without a long pause, and how many of theirs came before."""

    events: tuple[Event, ...]
    earlier: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """Where on a page the title of an event stood."""

    page_id: str
    row_id: str
    row_pos: int
    col_pos: int


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


@dataclass(frozen=True, slots=True)
class _Page:
    """A page by catalog positions; ``acts`` are the events with a seat, by (row, column)."""

    page_id: str
    user_id: str
    at: float
    device: str
    rows: Ints  # (K,)
    entities: Ints  # (K, C)
    propensity: Floats  # (K, C)
    looked: NDArray[np.bool_]  # (K, C)
    acts: Mapping[tuple[int, int], Event]
    unseated: int


def sittings(events: Sequence[Event]) -> list[Sitting]:
    """All sittings, by time of their first event."""
    found: list[Sitting] = []
    by_member = sorted(events, key=lambda event: (event.user_id, event.ts))
    for _, group in groupby(by_member, key=lambda event: event.user_id):
        own = tuple(group)
        start = 0
        for place in range(1, len(own) + 1):
            if place == len(own) or own[place].ts - own[place - 1].ts >= SITTING_S:
                earlier = own[max(0, start - HISTORY_LIMIT) : start]
                found.append(Sitting(own[start:place], earlier))
                start = place
    return sorted(found, key=lambda sitting: sitting.events[0].ts)


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
    policy = _Policy(catalog, events, chance)
    table = _Table(catalog)
    made = (
        (day_of(every[index].events[0].ts - _BEFORE_S), policy.page(f"mt-p{index}", every[index]))
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


class _Policy:
    """Draws pages in the order of time. Mutated by `page`: the trends move on."""

    def __init__(
        self, catalog: Catalog, events: Sequence[Event], chance: np.random.Generator
    ) -> None:
        self._catalog = catalog
        self._chance = chance
        self._events = events
        self._next = 0
        self._counter = TrendCounter(catalog)
        self._tick = -np.inf
        self._trends = Trends.none(catalog)
        self._released = np.nan_to_num(catalog.released_at, nan=-np.inf)
        self._genres = catalog.genre_matrix.astype(np.float64)  # (E, G)
        self._genres /= np.maximum(1.0, self._genres.sum(axis=1, keepdims=True))
        self._base_weights = np.array(
            [_ROW_WEIGHTS.get(row.kind, _OTHER_WEIGHT) for row in catalog.rows]
        )
        names = list(catalog.by_genre)
        genre_rows = [
            (index, names.index(row.where.genres_all[0]))
            for index, row in enumerate(catalog.rows)
            if row.kind == "genre" and row.where is not None and row.where.genres_all
        ]
        self._genre_rows = [index for index, _ in genre_rows]
        self._genre_of_row = [genre for _, genre in genre_rows]

    def page(self, page_id: str, sitting: Sitting) -> _Page | None:
        """The page before a sitting; None where no row has enough titles."""
        at = sitting.events[0].ts - _BEFORE_S
        self._follow(at)
        members = self._members(sitting, at)
        taste = self._taste(sitting.earlier)
        mass = np.exp(self._worth(taste))
        weights = self._base_weights.copy()
        weights[self._genre_rows] += _GENRE_WEIGHT * taste[self._genre_of_row]
        first: dict[int, Event] = {}
        for event in sitting.events:
            for index in self._catalog.indices([event.entity_id]):
                first.setdefault(index, event)
        wanted = [index for index in first if self._released[index] <= at]
        rows, entities = self._draw(members, mass, weights, wanted)
        if not len(rows):
            return None
        acts = self._seat(rows, entities, members, wanted)
        fades = _ROW_FADE ** np.arange(len(rows))[:, None] * _COLUMN_FADE ** np.arange(COLUMNS)
        return _Page(
            page_id=page_id,
            user_id=sitting.events[0].user_id,
            at=at,
            device=DEVICES[int(self._chance.integers(len(DEVICES)))],
            rows=rows,
            entities=entities,
            propensity=propensities(rows, entities, members, weights, mass),
            looked=self._chance.random(fades.shape) < fades,
            acts={place: first[index] for place, index in acts.items()},
            unseated=len(first) - len(acts),
        )

    def _follow(self, at: float) -> None:
        """Count what happened before ``at``; the trends are renewed once an hour."""
        while self._next < len(self._events) and self._events[self._next].ts < at:
            event = self._events[self._next]
            self._counter.add(event.entity_id, event.ts)
            self._next += 1
        if at >= self._tick + _TREND_TICK_S:
            self._trends, self._tick = self._counter.snapshot(), at

    def _members(self, sitting: Sitting, at: float) -> NDArray[np.bool_]:
        """(R, E) who may stand where, by the rows' own conditions."""
        user_id = sitting.events[0].user_id
        context = Context(user_id, events=sitting.earlier, revision=len(sitting.earlier))
        members = self._catalog.rows_at(at)
        for index, row in enumerate(self._catalog.rows):
            for kind in MEMBER_ROW_KINDS:
                if row.kind == kind:
                    found = member_row(kind, self._catalog, context, self._trends)
                    members[index, list(found)] = True
        members &= self._released <= at
        return members

    def _taste(self, earlier: Sequence[Event]) -> Floats:
        """(G,) shares of genres in what the member did not dislike; nothing known is all zero."""
        liked = [event.entity_id for event in earlier if event.action != "thumbs_down"]
        found = list(self._catalog.indices(liked))
        if not found:
            return np.zeros(self._genres.shape[1])
        mean: Floats = self._genres[found].mean(axis=0)
        return mean

    def _worth(self, taste: Floats) -> Floats:
        """(E,) logits of the policy: trends and taste."""
        trend = np.log1p(self._trends.scores.astype(np.float64))
        return _TREND_WEIGHT * trend + _TASTE_WEIGHT * (self._genres @ taste) * taste.size

    def _draw(
        self,
        members: NDArray[np.bool_],
        mass: Floats,
        weights: Floats,
        wanted: Sequence[int],
    ) -> tuple[Ints, Ints]:
        """Rows (K,) and titles (K, C) in page order.

        Both are drawn one after another by weight, without replacement (Plackett-Luce, as an
        exponential race), from the rows that can still be filled and the titles not yet placed.
        For each title that was acted on a row that can hold it is drawn in; the titles themselves
        take their places in `_seat`.
        """
        free = np.ones(members.shape[1], np.bool_)
        free[list(wanted)] = False
        left = _sizes(members) - _sizes(members[:, list(wanted)])  # (R,) free titles
        arrival = self._chance.standard_exponential(len(weights)) / weights
        order: list[int] = np.argsort(arrival).tolist()
        chosen = [row for row in order if left[row] >= COLUMNS][:ROWS]
        sure: set[int] = set()
        for entity in wanted:
            able = [row for row in order if members[row, entity] and left[row] >= COLUMNS]
            if len(sure) == len(chosen) or not able or sure & set(able):
                continue
            sure.add(able[0])
            if able[0] not in chosen:
                out = next(row for row in reversed(chosen) if row not in sure)
                chosen[chosen.index(out)] = able[0]
        chosen.sort(key=order.index)
        rows: list[int] = []
        entities = []
        for row in [*chosen, *(row for row in order if row not in chosen)]:
            if len(rows) == ROWS:
                break
            if left[row] < COLUMNS:
                continue
            found = np.flatnonzero(members[row] & free)
            times = self._chance.standard_exponential(len(found)) / mass[found]
            best = np.argpartition(times, COLUMNS - 1)[:COLUMNS]
            placed = found[best[np.argsort(times[best])]]
            free[placed] = False
            left -= members[:, placed].sum(axis=1)
            rows.append(row)
            entities.append(placed)
        return np.array(rows, np.int32), np.array(entities, np.int32)

    def _seat(
        self, rows: Ints, entities: Ints, members: NDArray[np.bool_], wanted: Sequence[int]
    ) -> dict[tuple[int, int], int]:
        """Give each title that was acted on a place where people look; tells who sits where."""
        taken: dict[tuple[int, int], int] = {}
        for entity in wanted:
            able = [place for place, row in enumerate(rows.tolist()) if members[row, entity]]
            places = [(r, c) for r in able for c in range(COLUMNS) if (r, c) not in taken]
            if not places:
                continue
            looks = np.array([_ROW_FADE**r * _COLUMN_FADE**c for r, c in places])
            place = places[int(self._chance.choice(len(places), p=looks / looks.sum()))]
            taken[place] = entity
            entities[place] = entity
        return taken


class _Table:
    """Pages as lines of the layout."""

    def __init__(self, catalog: Catalog) -> None:
        self._entity_ids = pl.Series([entity.id for entity in catalog.entities], dtype=pl.String)
        self._row_ids = pl.Series([row.id for row in catalog.rows], dtype=pl.String)

    def frame(self, pages: Sequence[_Page]) -> pl.DataFrame:
        """One line an impression."""
        if not pages:
            return pl.DataFrame(schema=IMPRESSIONS.schema)
        sizes = [page.entities.size for page in pages]
        of_page = np.repeat(np.arange(len(pages)), sizes)  # (N,)
        row_pos = np.concatenate([np.repeat(np.arange(len(p.rows)), COLUMNS) for p in pages])
        looked = np.concatenate([page.looked.ravel() for page in pages])
        actions: list[str | None] = [None] * len(of_page)
        durations: list[float | None] = [None] * len(of_page)
        for start, page in zip(np.cumsum([0, *sizes]).tolist(), pages, strict=False):
            for (row, column), event in page.acts.items():
                line = start + row * COLUMNS + column
                actions[line], durations[line] = event.action, event.duration_s
                looked[line] = True
        rows = np.concatenate([np.repeat(page.rows, COLUMNS) for page in pages])
        entities = np.concatenate([page.entities.ravel() for page in pages])
        return pl.DataFrame(
            {
                "page_id": pl.Series([page.page_id for page in pages]).gather(of_page),
                "user_id": pl.Series([page.user_id for page in pages]).gather(of_page),
                "ts": np.array([page.at for page in pages])[of_page],
                "row_pos": row_pos,
                "col_pos": np.tile(np.arange(COLUMNS), len(of_page) // COLUMNS),
                "row_id": self._row_ids.gather(rows),
                "entity_id": self._entity_ids.gather(entities),
                "propensity": np.concatenate([page.propensity.ravel() for page in pages]),
                "seen": looked,
                "action": actions,
                "duration_s": durations,
                "device": pl.Series([page.device for page in pages]).gather(of_page),
                "locale": pl.repeat("en", len(of_page), eager=True),
                "simulated": np.ones(len(of_page), np.bool_),
            },
            schema=IMPRESSIONS.schema,
        )

    def seats(self, pages: Sequence[_Page]) -> dict[str, Seat]:
        """The seats of the acts, by event id."""
        return {
            event.event_id: Seat(page.page_id, self._row_ids[int(page.rows[row])], row, column)
            for page in pages
            for (row, column), event in page.acts.items()
        }


def propensities(
    rows: Ints, entities: Ints, members: NDArray[np.bool_], weights: Floats, mass: Floats
) -> Floats:
    """(K, C) the policy's chance of each title of a page given all before it.

    ``rows`` (K,) and ``entities`` (K, C) are the page, ``members`` (R, E) who may stand where,
    ``weights`` (R,) of rows and ``mass`` (E,) of titles. The first title of a row carries the
    row's chance: its weight among the rows not yet taken that still have C titles.
    """
    chances = np.empty(entities.shape)
    open_mass, open_weights = mass.copy(), weights.copy()
    left = _sizes(members)  # (R,) titles not yet placed
    for place, (row, placed) in enumerate(zip(rows.tolist(), entities, strict=True)):
        able = open_weights[left >= entities.shape[1]].sum()
        open_mass[placed] = 0.0
        # Summed from the last place on: what is left after favourites must not be their rounding.
        # Not a dot product: BLAS would wake its threads for each of these short sums.
        others = float((members[row] * open_mass).sum())
        pools = np.cumsum(mass[placed][::-1])[::-1] + others
        chances[place] = mass[placed] / pools
        chances[place, 0] *= open_weights[row] / able
        open_weights[row] = 0.0
        left -= members[:, placed].sum(axis=1)
    return np.clip(chances, LEAST, 1.0)


def _sizes(members: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(R,) how many stand in each row; much faster than a sum over booleans."""
    return np.array([np.count_nonzero(row) for row in members], np.int64)
