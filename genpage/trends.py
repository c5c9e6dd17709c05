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
# What the model's scores read beside it (`tokenizer.signals`): what is watched today, these days,
# this week, this month, and at all.
SIGNAL_HALF_LIVES_S = tuple(days * SECONDS_A_DAY for days in (0.25, 1.5, 5.0, 20.0, 365.0))
_MOST_HALF_LIVES = 500.0


@dataclass(frozen=True)
class Trends:
    """Decayed counts at one moment, by catalog index: ``scores`` is (E,) float32.

    ``paces`` (H, E) are the same by each of `SIGNAL_HALF_LIVES_S`; None where nobody counted them.
    """

    scores: NDArray[np.float32]
    paces: NDArray[np.float32] | None = None

    @property
    def nbytes(self) -> int:
        """About how much memory the counts take."""
        return self.scores.nbytes + (0 if self.paces is None else self.paces.nbytes)

    @classmethod
    def none(cls, catalog: Catalog) -> "Trends":
        """No event was ever counted."""
        return cls(np.zeros(len(catalog.entities), np.float32))

    def moved(self, old: Catalog, new: Catalog) -> "Trends":
        """The counts by the indices of another catalog; nothing for what only that one has."""
        places = [old.entity_index(entity.id) for entity in new.entities]
        known = np.array([place is not None for place in places], np.bool_)
        taken = np.array([place for place in places if place is not None], np.intp)
        scores = np.zeros(len(places), np.float32)
        scores[known] = self.scores[taken]
        if self.paces is None:
            return Trends(scores)
        paces = np.zeros((len(self.paces), len(places)), np.float32)
        paces[:, known] = self.paces[:, taken]
        return Trends(scores, paces)

    def top(self, count: int) -> tuple[int, ...]:
        """The ``count`` catalog indices with the highest counts above zero, highest first.

        Ties stand in catalog order.
        """
        return highest(self.scores, count)


class DecayedCounts:
    """Decayed counts of engagement by index, for every half-life. Not thread-safe: one owner."""

    def __init__(self, size: int = 0, *, half_life_s: float = HALF_LIFE_S) -> None:
        self._half_lives = np.array([half_life_s, *SIGNAL_HALF_LIVES_S])
        self._reach = _MOST_HALF_LIVES * float(self._half_lives.min())
        # Counts stand as of `_reference` and grow with time instead of decaying, so an event
        # costs O(1); the reference moves before they can overflow.
        self._reference: float | None = None
        self._newest = -math.inf
        self._counts = np.zeros((len(self._half_lives), size), np.float64)

    @property
    def size(self) -> int:
        """How many indices there are."""
        return self._counts.shape[1]

    def grow(self, size: int) -> None:
        """Have ``size`` indices, the new ones without any engagement."""
        more = np.zeros((len(self._half_lives), size - self.size))
        self._counts = np.concatenate([self._counts, more], axis=1)

    def clear(self, indices: NDArray[np.int32]) -> None:
        """Forget the engagements of some indices."""
        self._counts[:, indices] = 0.0

    def add(self, index: int, ts: float) -> None:
        """Count one engagement at ``ts`` (Unix seconds)."""
        self._counts[:, index] += np.exp2((ts - self._referred(ts)) / self._half_lives)

    def add_all(self, indices: NDArray[np.int32], ts: NDArray[np.float64]) -> None:
        """Count engagements given in columns (n,), in any order."""
        if len(indices):
            since = ts - self._referred(float(ts.max()))
            for line, half_life in enumerate(self._half_lives.tolist()):
                self._counts[line] += np.bincount(indices, np.exp2(since / half_life), self.size)

    def seed(self, trends: Trends, ts: float, places: NDArray[np.int32] | None = None) -> None:
        """Start from counts known at ``ts``; only before the first event.

        ``places`` (E,) are the indices that they stand for, the first E without any.
        """
        where = np.arange(len(trends.scores)) if places is None else places
        self._counts[0, where] = trends.scores
        if trends.paces is not None:
            self._counts[1:, where] = trends.paces
        self._reference = self._newest = ts

    def trends(self, places: NDArray[np.int32] | None = None) -> Trends:
        """The counts at the newest event, of the indices ``places`` (E,), or of all; a copy."""
        counts = self._counts if places is None else self._counts[:, places]
        if self._reference is None:
            return Trends(np.zeros(counts.shape[1], np.float32))
        decayed = (counts * self._decay(self._newest)[:, None]).astype(np.float32)
        return Trends(decayed[0], decayed[1:])

    def _referred(self, ts: float) -> float:
        """The reference to count an engagement by that is as new as ``ts``."""
        if self._reference is None:
            self._reference = ts
        if ts - self._reference > self._reach:
            self._counts *= self._decay(ts)[:, None]
            self._reference = ts
        self._newest = max(self._newest, ts)
        return self._reference

    def _decay(self, ts: float) -> NDArray[np.float64]:
        """What is left at ``ts`` of counts that stand as of the reference, by half-life."""
        since = ts - (ts if self._reference is None else self._reference)
        return np.asarray(0.5 ** (since / self._half_lives))


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
        self._counts.seed(trends, ts)

    def snapshot(self) -> Trends:
        """The counts as they are at the newest event."""
        return self._counts.trends()
