"""The logging policy of pages that are made up over real events, and its propensities.

Rows and titles are drawn by what was released and trending and by the member's own earlier genres;
the titles that the member really went for take places on the page, the likelier the more people
look there.

Propensities follow `simulation.logging_policy`: the chance of this title at this place given all
before it on the page, and the first title of a row carries the row's chance as well, so that the
product over a page is the chance with which the policy draws that page. They are figured from the
finished page, by the policy as it is without knowing what will be acted on: seating an act changes
which page it is, not how the policy is asked for its chance.

Shape legend: R catalog rows, E entities, G genres, K rows of a page, C places of a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.event import Event
from genpage.member_rows import member_row
from genpage.request import DEVICES
from genpage.row import MEMBER_ROW_KINDS
from genpage.trends import TrendCounter, Trends
from simulation.plackett_luce import LEAST
from simulation.sitting import Sitting

ROWS, COLUMNS = 10, 20
# The page stood there this long before the sitting's first act.
BEFORE_S = 30.0
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
class ReplayedPage:
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


class ReplayPolicy:
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

    def page(self, page_id: str, sitting: Sitting) -> ReplayedPage | None:
        """The page before a sitting; None where no row has enough titles."""
        at = sitting.events[0].ts - BEFORE_S
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
        return ReplayedPage(
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
