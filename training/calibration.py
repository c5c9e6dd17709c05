"""Whether a predicted chance is one: reliability, expected calibration error, AUC.

Everything is weighted: a weighted binary cross-entropy teaches ``sum of weights of the good / sum
of all weights``, and that is what a prediction is held against.

Shape legend: K predictions, B bins.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Bins of equal weight, by the predicted chance: (B,) each."""

    predicted: Floats
    came: Floats
    weight: Floats

    @property
    def error(self) -> float:
        """The expected calibration error (Naeini et al. 2015): mean distance, by weight."""
        distances = np.abs(self.predicted - self.came)
        return float((self.weight * distances).sum() / self.weight.sum())


def reliability(chances: Floats, good: Floats, weights: Floats, *, bins: int = BINS) -> Reliability:
    """Of predicted ``chances`` (K,) against ``good`` (K,) 0 or 1; weights are above 0."""
    order = np.argsort(chances, kind="stable")
    weight = weights[order]
    # The bin of a prediction is where the middle of its own weight falls.
    middle = np.cumsum(weight) - weight / 2
    place = np.minimum((middle / weight.sum() * bins).astype(np.int64), bins - 1)
    sums = [
        np.bincount(place, value * weight, bins).astype(np.float64)
        for value in (chances[order], good[order], np.ones(len(order)))
    ]
    held = sums[2] > 0
    return Reliability(sums[0][held] / sums[2][held], sums[1][held] / sums[2][held], sums[2][held])


def weighted_auc(scores: Floats, good: Floats, weights: Floats) -> float | None:
    """The chance that a good one scores above a bad one, each drawn by weight; ties count half.

    None where one of the two is missing.
    """
    weigh_good, weigh_bad = weights * good, weights * (1 - good)
    if not weigh_good.sum() or not weigh_bad.sum():
        return None
    values, place = np.unique(scores, return_inverse=True)
    goods = np.bincount(place, weigh_good, len(values))
    bads = np.bincount(place, weigh_bad, len(values))
    below = np.cumsum(bads) - bads
    return float((goods * (below + bads / 2)).sum() / (goods.sum() * bads.sum()))


def rank_correlation(left: Floats, right: Floats) -> float:
    """Spearman's: the correlation of ranks, ties at their middle; 0 where one side is constant."""
    ranks = [_middle_ranks(values) for values in (left, right)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _middle_ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: Floats = ((ends - counts + ends - 1) / 2)[place]
    return middle
