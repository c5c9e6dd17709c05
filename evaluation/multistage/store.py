"""The feature store: what the pipeline knows of titles and members at a moment, in memory.

Counts, pairs and histories are live up to the request; factors are learnt once a day. Everything
is asked as of a time, and nothing later is ever read.

Shape legend: E entities by catalog index, S signals, h events of a history.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.multistage.columns import OPINIONS, Columns, History
from evaluation.multistage.factors import Factors, learn_factors
from evaluation.multistage.likeness import Likeness, likeness_of
from evaluation.multistage.pairs import near_pairs, next_pairs, shared_pairs
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.trends import HALF_LIFE_S, TrendCounter, Trends

Floats = NDArray[np.float32]
SITTING_S: Final = SECONDS_A_DAY / 2
# Half-lives of the counts, in days; the last one forgets nothing to speak of.
HALF_LIVES: Final = (0.2, 1.5, 6.0, 30.0, 3650.0)
_TRENDING: Final = HALF_LIVES.index(HALF_LIFE_S / SECONDS_A_DAY)
# How many events of a sitting, and of the whole history, count as anchors.
_SITTING, _HISTORY = 20, 40
# Factors are solved for from so many events at most.
_FACTORED = 200

SIGNALS: Final = (
    *(f"trend_{days:g}d" for days in HALF_LIVES),
    "near",  # had within hours of this sitting's titles, by others
    "near_last",  # of the last title alone
    "next",  # came right after the last title, in others' sittings
    "near_history",  # within hours of any of the member's titles
    "shared",  # had by those who had this member's titles
    "factors",
    "like_last",
    "like_sitting",
    "like_history",
)
SIGNAL: Final = {name: place for place, name in enumerate(SIGNALS)}


class FeatureStore:
    """Mutated by `advance` and `learn`; asked in ascending order of time. One owner."""

    def __init__(
        self, catalog: Catalog, columns: Columns, *, likeness: Likeness | None = None
    ) -> None:
        """``columns`` may reach beyond any moment that is asked about."""
        self.catalog, self.columns = catalog, columns
        size = len(catalog.entities)
        user, entity, ts = columns.user, columns.entity, columns.ts
        self._near = near_pairs(user, entity, ts, size)
        self._next = next_pairs(user, entity, ts, size)
        self._shared = shared_pairs(user, entity, ts, size)
        self.likeness = likeness or likeness_of(catalog.entities)
        self._counters = [
            TrendCounter(catalog, half_life_s=days * SECONDS_A_DAY) for days in HALF_LIVES
        ]
        self._counted = 0
        self.first_seen = np.full(size, np.inf)  # (E,) each title's first event
        np.minimum.at(self.first_seen, entity, ts)
        self.opinions = np.zeros(size, np.float32)  # (E,) likes less dislikes, up to now
        self.last_seen = np.full(size, -np.inf)
        self._factors: Factors | None = None
        self._trends = np.zeros((len(HALF_LIVES), size), np.float32)

    def learn(self, at: float) -> None:
        """The daily job: item factors from everything before ``at``."""
        known = self.columns.until(at)
        if len(known.user):
            self._factors = learn_factors(known.user, known.entity, len(self.catalog.entities))

    def advance(self, at: float) -> None:
        """Take in what happened before ``at``."""
        end = int(np.searchsorted(self.columns.ts, at, side="left"))
        if end <= self._counted:
            return
        fresh = slice(self._counted, end)
        entity, ts = self.columns.entity[fresh], self.columns.ts[fresh]
        for place, counter in enumerate(self._counters):
            counter.add_all(entity.astype(np.int32), ts)
            self._trends[place] = counter.snapshot().scores
        np.add.at(self.opinions, entity, OPINIONS[self.columns.action[fresh]])
        np.maximum.at(self.last_seen, entity, ts)
        self._counted = end

    @property
    def trends(self) -> Trends:
        """The decayed counts that the rules' trending row is filled by."""
        return Trends(self._trends[_TRENDING])

    def signals(self, history: History, at: float) -> Floats:
        """(S, E) what speaks for each title, for a member with this history at ``at``.

        Counts are as of the last `advance`.
        """
        signals = np.zeros((len(SIGNALS), len(self.catalog.entities)), np.float32)
        signals[: len(HALF_LIVES)] = self._trends
        if not len(history.entity):
            return signals
        sitting = sitting_of(history, at)
        recent, past = history.entity[sitting][-_SITTING:], history.entity[-_HISTORY:]
        last = history.entity[-1:]
        one = np.ones(1, np.float32)
        fading = _fading(len(recent), 0.9)
        slowly = _fading(len(past), 0.95)
        fresh = len(recent) > 0
        if fresh:
            signals[SIGNAL["near"]] = self._near.counts(recent, fading, at)
            signals[SIGNAL["near_last"]] = self._near.counts(last, one, at)
            signals[SIGNAL["next"]] = self._next.counts(last, one, at, unit=3.0)
            signals[SIGNAL["like_sitting"]] = self.likeness.to(recent, fading)
        signals[SIGNAL["near_history"]] = self._near.counts(past, slowly, at)
        signals[SIGNAL["shared"]] = self._shared.counts(past, slowly, at)
        signals[SIGNAL["like_last"]] = self.likeness.to(last, one)
        signals[SIGNAL["like_history"]] = self.likeness.to(past, slowly)
        if self._factors is not None:
            had = np.unique(history.entity[-_FACTORED:])
            signals[SIGNAL["factors"]] = self._factors.scores(had)
        return signals


def sitting_of(history: History, at: float) -> slice:
    """The member's events of the sitting that goes on at ``at``; empty after a long pause."""
    times = np.append(history.ts, at)
    pauses = np.flatnonzero(np.diff(times) >= SITTING_S)
    return slice(int(pauses[-1]) + 1 if len(pauses) else 0, len(history.ts))


def _fading(count: int, factor: float) -> Floats:
    """(count,) weights that end at 1: the newest counts most."""
    return np.asarray(factor ** np.arange(count - 1, -1, -1), np.float32)
