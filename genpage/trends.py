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

HALF_LIFE_S = 1.5 * SECONDS_A_DAY


@dataclass(frozen=True)
class Trends:
    """Decayed counts at one moment, by catalog index: ``scores`` is (E,) float32."""

    scores: NDArray[np.float32]

    @classmethod
    def none(cls, catalog: Catalog) -> "Trends":
        """No event was ever counted."""
        return cls(np.zeros(len(catalog.entities), np.float32))

    def top(self, count: int) -> tuple[int, ...]:
        """The ``count`` catalog indices with the highest counts above zero, highest first.

        Ties stand in catalog order.
        """
        order = np.argsort(-self.scores, kind="stable")[:count]
        return tuple(int(index) for index in order if self.scores[index] > 0)


class TrendCounter:
    """Folds events into counts. Not thread-safe: one owner.

    Mutates on `add`; a `snapshot` is independent of later events.
    """

    def __init__(self, catalog: Catalog, *, half_life_s: float = HALF_LIFE_S) -> None:
        self._catalog = catalog
        self._half_life_s = half_life_s
        self._newest = -math.inf
        # Counts as of `_newest`.
        self._counts = np.zeros(len(catalog.entities), np.float64)

    def add(self, entity_id: str, ts: float) -> None:
        """Count one engagement at ``ts`` (Unix seconds); an unknown entity counts nothing."""
        index = self._catalog.entity_index(entity_id)
        if index is None:
            return
        if ts > self._newest:
            if math.isfinite(self._newest):
                self._counts *= 0.5 ** ((ts - self._newest) / self._half_life_s)
            self._newest = ts
        self._counts[index] += 0.5 ** ((self._newest - ts) / self._half_life_s)

    def seed(self, trends: Trends, ts: float) -> None:
        """Start from counts known at ``ts``; only before the first event."""
        self._counts[: len(trends.scores)] = trends.scores
        self._newest = ts

    def snapshot(self) -> Trends:
        """The counts as they are now."""
        return Trends(self._counts.astype(np.float32))
