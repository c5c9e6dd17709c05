"""Pages simulated over real events: what a service might have shown to those who then acted.

Real logs of ratings have no impressions. For a seeded sample of sittings (a member's events with
less than twelve hours between them) one page is made up: rows and titles are drawn by a logging
policy from what was released and trending by then and from the member's own earlier genres, never
from the future, and the titles that the member really went for take places on it. The policy is
position-aware: a title that was acted on more likely stood where people look. Rows, places,
``seen`` and the propensities are simulated, and every line says so.
"""

from collections.abc import Callable, Iterator, Sequence
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
class _Filled:
    """One row of a page: positions in the catalog and the chance of each."""

    row: int
    entities: Ints  # (C,)
    propensity: Floats  # (C,)


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
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each day with pages, and its impressions; ``progress`` hears of each page."""
    chance = np.random.default_rng(seed)
    every = sittings(events)
    chosen = np.sort(chance.permutation(len(every))[:pages])
    policy = _Policy(catalog, events, chance)
    made = (
        (day_of(every[index].events[0].ts - _BEFORE_S), policy.page(f"mt-p{index}", every[index]))
        for index in chosen.tolist()
    )
    for day, group in groupby(made, key=lambda page: page[0]):
        frames = []
        for _, frame in group:
            frames.append(frame)
            progress()
        yield day, pl.concat(frames)


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

    def page(self, page_id: str, sitting: Sitting) -> pl.DataFrame:
        """The page before a sitting, one line an impression."""
        at = sitting.events[0].ts - _BEFORE_S
        self._follow(at)
        members = self._members(sitting, at)
        taste = self._taste(sitting.earlier)
        worth = self._worth(taste)
        mass = np.exp(worth)
        noisy = worth + self._chance.gumbel(size=len(worth))
        wanted = self._catalog.indices(dict.fromkeys(event.entity_id for event in sitting.events))
        rows, row_chance = self._rows(members, taste, wanted)
        free = np.ones(len(self._catalog.entities), np.bool_)
        free[list(wanted)] = False  # they take their own places below
        filled = []
        for row, share in zip(rows.tolist(), row_chance.tolist(), strict=True):
            one = _fill(row, members[row] & free, noisy, mass, share)
            free[one.entities] = False
            filled.append(one)
        self._seat(filled, members, wanted, mass, row_chance)
        return self._table(page_id, sitting, at, filled)

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

    def _rows(
        self, members: NDArray[np.bool_], taste: Floats, wanted: Sequence[int]
    ) -> tuple[Ints, Floats]:
        """Rows in page order with the chance of each at its place.

        Drawn one after another by weight, without replacement (Plackett-Luce, by Gumbel noise). For
        each title that was acted on one row that can hold it is sure to be among them.
        """
        weights = self._base_weights.copy()
        weights[self._genre_rows] += _GENRE_WEIGHT * taste[self._genre_of_row]
        # A title that is seated later must leave enough behind to fill the row without it.
        open_to = members.sum(axis=1) >= COLUMNS + len(wanted)
        weights = np.where(open_to, weights, 0.0)
        with np.errstate(divide="ignore"):
            keys = np.log(weights) + self._chance.gumbel(size=len(weights))
        chosen = [int(row) for row in np.argsort(-keys)[:ROWS] if weights[row] > 0]
        sure: set[int] = set()
        for entity in wanted[: ROWS - 1]:
            able: list[int] = np.flatnonzero(members[:, entity] & open_to).tolist()
            if not able or sure & set(able):
                continue
            best = max(able, key=lambda row: keys[row])
            sure.add(best)
            if best not in chosen:
                out = next(row for row in reversed(chosen) if row not in sure)
                chosen[chosen.index(out)] = best
        order = np.array(sorted(chosen, key=lambda row: -keys[row]), np.int32)
        return order, _plackett_luce(weights[order], weights.sum())

    def _seat(
        self,
        filled: list[_Filled],
        members: NDArray[np.bool_],
        wanted: Sequence[int],
        mass: Floats,
        row_chance: Floats,
    ) -> None:
        """Give each title that was acted on a place where people look."""
        taken: set[tuple[int, int]] = set()
        for entity in wanted:
            able = [place for place, one in enumerate(filled) if members[one.row, entity]]
            places = [(r, c) for r in able for c in range(COLUMNS) if (r, c) not in taken]
            if not places:
                continue  # more acts in one sitting than the page has room for
            looks = np.array([_ROW_FADE**r * _COLUMN_FADE**c for r, c in places])
            place = places[int(self._chance.choice(len(places), p=looks / looks.sum()))]
            taken.add(place)
            row, column = place
            total = float(mass[members[filled[row].row]].sum())
            filled[row].entities[column] = entity
            filled[row].propensity[column] = row_chance[row] * mass[entity] / total

    def _table(
        self, page_id: str, sitting: Sitting, at: float, filled: Sequence[_Filled]
    ) -> pl.DataFrame:
        entities = np.concatenate([one.entities for one in filled])
        count = len(filled)
        row_pos, col_pos = np.repeat(np.arange(count), COLUMNS), np.tile(np.arange(COLUMNS), count)
        acted = {event.entity_id: event.action for event in reversed(sitting.events)}
        ids = [self._catalog.entities[index].id for index in entities.tolist()]
        actions = [acted.get(entity_id) for entity_id in ids]
        looked = self._chance.random(len(ids)) < _ROW_FADE**row_pos * _COLUMN_FADE**col_pos
        size = len(ids)
        return pl.DataFrame(
            {
                "page_id": [page_id] * size,
                "user_id": [sitting.events[0].user_id] * size,
                "ts": np.full(size, at),
                "row_pos": row_pos,
                "col_pos": col_pos,
                "row_id": [self._catalog.rows[filled[r].row].id for r in row_pos.tolist()],
                "entity_id": ids,
                "propensity": np.clip(np.concatenate([f.propensity for f in filled]), 1e-12, 1.0),
                "seen": looked | np.array([action is not None for action in actions]),
                "action": actions,
                "duration_s": [None] * size,
                "device": [DEVICES[int(self._chance.integers(len(DEVICES)))]] * size,
                "locale": ["en"] * size,
                "simulated": [True] * size,
            },
            schema=IMPRESSIONS.schema,
        )


def _fill(
    row: int, allowed: NDArray[np.bool_], noisy: Floats, mass: Floats, share: float
) -> _Filled:
    """The highest of the noisy worths: a draw without replacement by the policy."""
    found = np.flatnonzero(allowed)
    best = found[np.argpartition(-noisy[found], COLUMNS - 1)[:COLUMNS]]
    best = best[np.argsort(-noisy[best])]
    chances = share * _plackett_luce(mass[best], float(mass[found].sum()))
    return _Filled(row, best.astype(np.int32), chances)


def _plackett_luce(weights: Floats, total: float) -> Floats:
    """The chance of each at its turn: its weight over what was left in the pool then."""
    left = total - np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    chances: Floats = weights / np.maximum(left, weights)
    return chances
