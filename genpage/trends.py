"""What is watched now: exponentially decayed counts of engagement.

A count decays by half every ``half_life_s``; 1.5 days was the best of the windows and decays tried
on the real data. Since all counts decay alike, their order changes only when an event arrives, so
a count is kept relative to a fixed reference time and never touched in between.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.highest import highest

HALF_LIFE_S = 1.5 * SECONDS_A_DAY
_MOST_HALF_LIVES = 500.0


@dataclass(frozen=True)
class Trends:
    """Decayed counts at one moment, by catalog index: ``scores`` is (E,) float32."""

    scores: NDArray[np.float32]

    @classmethod
    def none(cls, catalog: Catalog) -> "Trends":
        """No event was ever counted."""
        return cls(np.zeros(len(catalog.entities), np.float32))

    def moved(self, old: Catalog, new: Catalog) -> "Trends":
        """The counts by the indices of another catalog; nothing for what only that one has."""
        scores = np.zeros(len(new.entities), np.float32)
        for index, entity in enumerate(new.entities):
            place = old.entity_index(entity.id)
            if place is not None:
                scores[index] = self.scores[place]
        return Trends(scores)

    def top(self, count: int) -> tuple[int, ...]:
        """The ``count`` catalog indices with the highest counts above zero, highest first.

        Ties stand in catalog order.
        """
        return highest(self.scores, count)


class DecayedCounts:
    """Decayed counts of engagement by index. Not thread-safe: one owner."""

    def __init__(self, size: int = 0, *, half_life_s: float = HALF_LIFE_S) -> None:
        self._half_life_s = half_life_s
        # Counts stand as of `_reference` and grow with time instead of decaying, so an event
        # costs O(1); the reference moves before they can overflow.
        self._reference: float | None = None
        self._newest = -math.inf
        self._counts = np.zeros(size, np.float64)

    @property
    def size(self) -> int:
        """How many indices there are."""
        return len(self._counts)

    def grow(self, size: int) -> None:
        """Have ``size`` indices, the new ones without any engagement."""
        self._counts = np.concatenate([self._counts, np.zeros(size - len(self._counts))])

    def clear(self, indices: NDArray[np.int32]) -> None:
        """Forget the engagements of some indices."""
        self._counts[indices] = 0.0

    def add(self, index: int, ts: float) -> None:
        """Count one engagement at ``ts`` (Unix seconds)."""
        weight = 2.0 ** ((ts - self._referred(ts)) / self._half_life_s)
        self._counts[index] += weight

    def add_all(self, indices: NDArray[np.int32], ts: NDArray[np.float64]) -> None:
        """Count engagements given in columns (n,), in any order."""
        if len(indices):
            weights = np.exp2((ts - self._referred(float(ts.max()))) / self._half_life_s)
            self._counts += np.bincount(indices, weights, len(self._counts))

    def seed(self, scores: NDArray[np.float32], ts: float) -> None:
        """Start from counts (n,) known at ``ts``; only before the first event."""
        self._counts[: len(scores)] = scores
        self._reference = self._newest = ts

    def scores(self) -> NDArray[np.float32]:
        """(size,) the counts as they are at the newest event; a copy."""
        if self._reference is None:
            return np.zeros(len(self._counts), np.float32)
        decay = 0.5 ** ((self._newest - self._reference) / self._half_life_s)
        scores: NDArray[np.float32] = (self._counts * decay).astype(np.float32)
        return scores

    def _referred(self, ts: float) -> float:
        """The reference to count an engagement by that is as new as ``ts``."""
        if self._reference is None:
            self._reference = ts
        if ts - self._reference > _MOST_HALF_LIVES * self._half_life_s:
            self._counts *= 0.5 ** ((ts - self._reference) / self._half_life_s)
            self._reference = ts
        self._newest = max(self._newest, ts)
        return self._reference


class TrendCounter:
    """Folds events into counts over one catalog. Not thread-safe: one owner.

    Mutates on `add`; a `snapshot` is independent of later events.
    """

    def __init__(self, catalog: Catalog, *, half_life_s: float = HALF_LIFE_S) -> None:
        self._catalog = catalog
        self._counts = DecayedCounts(len(catalog.entities), half_life_s=half_life_s)

    def add(self, entity_id: str, ts: float) -> None:
        """Count one engagement at ``ts`` (Unix seconds); an unknown entity counts nothing."""
        index = self._catalog.entity_index(entity_id)
        if index is not None:
            self._counts.add(index, ts)

    def add_all(self, indices: NDArray[np.int32], ts: NDArray[np.float64]) -> None:
        """Count engagements given in columns (n,), by catalog index, in any order."""
        self._counts.add_all(indices, ts)

    def seed(self, trends: Trends, ts: float) -> None:
        """Start from counts known at ``ts``; only before the first event."""
        self._counts.seed(trends.scores, ts)

    def snapshot(self) -> Trends:
        """The counts as they are at the newest event."""
        return Trends(self._counts.scores())
