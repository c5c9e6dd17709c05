"""HR@10 and NDCG@10 of ranks, with 95% intervals by bootstrap over users.

Users are drawn, not events: one user's events depend on each other (Efron and Tibshirani 1993,
chapter 8, on drawing the independent units).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.log import Numbers

CUTOFF = 10
SAMPLES = 2000
NAMES = ("hr@10", "ndcg@10")
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """Both metrics over ``n`` units (events, or users), with their 95% intervals.

    All None where there is nothing to average.
    """

    n: int
    means: tuple[float, float] | None
    intervals: tuple[tuple[float, float], tuple[float, float]] | None

    def document(self) -> dict[str, object]:
        """As PROTOCOLS writes it."""
        means: tuple[float | None, ...] = self.means or (None, None)
        intervals = self.intervals or (None, None)
        return {
            **dict(zip(NAMES, means, strict=True)),
            "n": self.n,
            "ci95": dict(zip(NAMES, intervals, strict=True)),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """One ranker's metrics: over all events, over rested ones, and averaged per user first."""

    overall: Summary
    rested: Summary
    by_user: Summary

    def document(self) -> dict[str, object]:
        """As PROTOCOLS writes it."""
        return {
            **self.overall.document(),
            "rested": self.rested.document(),
            "by_user": self.by_user.document(),
        }


def gains(ranks: Values) -> Values:
    """(n,) ranks from 1 -> (n, 2): hit in the first ten, and its discounted gain.

    One relevant entity makes the ideal gain 1.
    """
    hits = ranks <= CUTOFF
    return np.stack([hits.astype(np.float64), np.where(hits, 1 / np.log2(1 + ranks), 0.0)], axis=1)


def report(ranks: Values, users: Numbers, rested: NDArray[np.bool_], *, seed: int = 0) -> Report:
    """The metrics of ranks (n,) whose events belong to ``users`` (n,)."""
    values = gains(ranks)
    sums, counts = per_user(values, users)
    return Report(
        overall=summary(sums, counts, seed=seed),
        rested=summary(*per_user(values[rested], users[rested]), seed=seed),
        by_user=summary(sums / counts[:, None], np.ones(len(counts)), seed=seed),
    )


def per_user(values: Values, users: Numbers) -> tuple[Values, Values]:
    """Sums (U, 2) and counts (U,) of the users that have any."""
    _, index = np.unique(users, return_inverse=True)
    counts = np.bincount(index).astype(np.float64)
    sums = [np.bincount(index, column, len(counts)) for column in values.T]
    return np.stack(sums, axis=1), counts


def summary(sums: Values, counts: Values, *, seed: int, samples: int = SAMPLES) -> Summary:
    """The mean over all units, and the spread of it when as many users are drawn anew."""
    if not len(counts):
        return Summary(0, None, None)
    means = sums.sum(axis=0) / counts.sum()
    users = len(counts)
    # How often each user is drawn: as if `users` were drawn with replacement, `samples` times.
    drawn = np.random.default_rng(seed).multinomial(users, np.full(users, 1 / users), samples)
    spread = (drawn @ sums) / (drawn @ counts)[:, None]  # (samples, 2)
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    return Summary(
        int(counts.sum()),
        (float(means[0]), float(means[1])),
        ((float(low[0]), float(high[0])), (float(low[1]), float(high[1]))),
    )
