"""How likely a place of a page is seen, estimated from what members did there.

The position-based click model (Richardson et al. 2007; Chuklin, Markov and de Rijke 2015, section
3.2): a title is acted on where its place is examined *and* it attracts, two independent chances,
``P(act) = examined[place] * attracts[group]``. Fitted by expectation maximisation on counts. A
service that explores shows the same titles at many places, which is what tells the two apart.

Only their product is identified; the place most looked at is taken to be always examined. What was
certain to stand where it stood (propensity 1, a pinned row) tells nothing of its place, and is left
out where anything else is left.

Shape legend: R rows of a page, C columns, P = R x C places, G groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = ("row_pos", "col_pos", "entity_id", "action", "propensity")
ITERATIONS = 200
# A place or group that was never acted on is not impossible: as if it had been once in so many.
_PRIOR_ACTS, _PRIOR_SHOWN = 0.5, 50.0
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How often a group of titles was shown, and acted on, at a place; one line a pair (N,)."""

    place: Ints
    group: Ints
    shown: Floats
    acted: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """``chances`` (R, C): the probability that a place is seen, the highest being 1."""

    chances: Floats

    @classmethod
    def everywhere(cls) -> Self:
        """Where nothing is known: everything counts as seen."""
        return cls(np.ones((1, 1)))

    @classmethod
    def of(cls, impressions: Sequence[pl.DataFrame]) -> Self:
        """From impressed lines of some days, with the columns that `COLUMNS` names."""
        free = [day.filter(pl.col("propensity") < 1.0) for day in impressions]
        if not any(day["action"].is_not_null().any() for day in free):
            free = list(impressions)
        counted = [_counted(day) for day in free if len(day)]
        if not counted:
            return cls.everywhere()
        lines = (
            pl.concat(counted)
            .group_by("row_pos", "col_pos", "entity_id")
            .agg(pl.col("shown", "acted").sum())
        )
        if not lines["acted"].sum():
            return cls.everywhere()
        rows, columns = (int(lines[name].to_numpy().max()) + 1 for name in ("row_pos", "col_pos"))
        place = lines["row_pos"].to_numpy().astype(np.int64) * columns + lines["col_pos"].to_numpy()
        _, group = np.unique(lines["entity_id"].to_numpy(), return_inverse=True)
        counts = Counts(
            place,
            group.astype(np.int64),
            lines["shown"].to_numpy().astype(np.float64),
            lines["acted"].to_numpy().astype(np.float64),
        )
        return cls(fit(counts, rows * columns)[0].reshape(rows, columns))

    def at(self, row: Ints, column: Ints) -> Floats:
        """(n,) for these places; beyond the largest page that was seen, its last row or column."""
        rows, columns = self.chances.shape
        found: Floats = self.chances[np.minimum(row, rows - 1), np.minimum(column, columns - 1)]
        return found


def fit(counts: Counts, places: int, *, iterations: int = ITERATIONS) -> tuple[Floats, Floats]:
    """(P,) chances of examination and (G,) of attraction, by maximum likelihood.

    Where acts are rare, EM alone creeps; it starts from the alternating estimate of a Poisson
    model, which is its limit for small chances.
    """
    groups = int(counts.group.max()) + 1
    examined, attracts = np.ones(places), np.ones(groups)
    acted_at = np.bincount(counts.place, counts.acted, places) + _PRIOR_ACTS
    acted_of = np.bincount(counts.group, counts.acted, groups) + _PRIOR_ACTS
    base = counts.acted.sum() / counts.shown.sum()
    for _ in range(iterations):
        before = examined
        shown = counts.shown * examined[counts.place]
        attracts = acted_of / (np.bincount(counts.group, shown, groups) + _PRIOR_ACTS / base)
        shown = counts.shown * attracts[counts.group]
        prior = _PRIOR_SHOWN * base
        examined = acted_at / (np.bincount(counts.place, shown, places) + prior)
        examined /= examined.max()
        if np.abs(examined - before).max() < _TOLERANCE:
            break
    attracts = np.clip(attracts, 1e-6, 1.0 - 1e-6)
    shown_at = np.bincount(counts.place, counts.shown, places)
    shown_of = np.bincount(counts.group, counts.shown, groups)
    for _ in range(iterations):
        before = examined
        seen, liked = examined[counts.place], attracts[counts.group]
        passed = counts.shown - counts.acted
        # E: of what was passed over, how much was seen, and how much would have attracted.
        nothing = 1.0 - seen * liked
        seen_of_passed = passed * seen * (1.0 - liked) / nothing
        liked_of_passed = passed * liked * (1.0 - seen) / nothing
        # M: the shares.
        examined = (np.bincount(counts.place, counts.acted + seen_of_passed, places)) / np.maximum(
            shown_at, 1.0
        )
        attracts = (np.bincount(counts.group, counts.acted + liked_of_passed, groups)) / np.maximum(
            shown_of, 1.0
        )
        examined = np.clip(examined, 1e-6, 1.0 - 1e-9)
        attracts = np.clip(attracts, 1e-6, 1.0 - 1e-6)
        if np.abs(examined - before).max() < _TOLERANCE:
            break
    examined = np.where(shown_at > 0, examined, 0.0)
    top = examined.max()
    return examined / top, attracts * top


def _counted(day: pl.DataFrame) -> pl.DataFrame:
    return day.group_by("row_pos", "col_pos", "entity_id").agg(
        pl.len().alias("shown"), pl.col("action").is_not_null().sum().alias("acted")
    )
