"""Means with 95% intervals by bootstrap over the independent units, and paired comparisons.

Members are drawn, not pages or titles: one member's pages depend on each other (Efron and
Tibshirani 1993, chapter 8). A comparison draws the same members for both sides, so that what they
share cancels out.

Shape legend: n values, U units, B draws.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.errors import DatasetError
from training.bootstrap import spread_of

Values = NDArray[np.float64]
Units = NDArray[np.int64]
DRAWS = 1000
# Members are drawn for so many draws at a time, so that memory stays bounded.
_BLOCK = 100


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is a figure at all, and no NaN in its place."""
        return math.isfinite(self.value)

    @property
    def ci95(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    def document(self) -> dict[str, object]:
        """As studies and reports write it."""
        return {"value": self.value, "ci95": [self.low, self.high]}


# Where what was seen says nothing of a figure; null in JSON.
UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def resampled(sums: Values, *, seed: int = 0, draws: int = DRAWS) -> Values:
    """(B, k) the totals of sums (U, k), when as many units are drawn with replacement."""
    units = len(sums)
    if units < 1:
        raise DatasetError("there is nothing to average: no page came with what is measured")
    chance = np.random.default_rng(seed)
    chances = np.full(units, 1 / units)
    blocks = [
        chance.multinomial(units, chances, min(_BLOCK, draws - done)) @ sums
        for done in range(0, draws, _BLOCK)
    ]
    return np.concatenate(blocks)


def mean_of(values: Values, units: Units, *, seed: int = 0) -> Estimate:
    """The mean of values (n,) whose units (n,) are drawn."""
    return ratio_of(values, np.ones(len(values)), units, seed=seed)


def ratio_of(above: Values, below: Values, units: Units, *, seed: int = 0) -> Estimate:
    """sum(above) / sum(below), both (n,); draws without anything below are left out."""
    sums, weights = _by_unit(above, units), _by_unit(below, units)
    spread = resampled(np.stack([sums, weights], axis=1), seed=seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        return estimated(float(sums.sum() / weights.sum()), spread[:, 0] / spread[:, 1])


def difference_of(one: Values, other: Values, units: Units, *, seed: int = 0) -> Estimate:
    """The mean of ``one - other``, both (n,) over the same pages."""
    return mean_of(one - other, units, seed=seed)


def uplift_of(one: Values, other: Values, units: Units, *, seed: int = 0) -> Estimate:
    """By what share the mean of ``one`` is above that of ``other``, over the same pages.

    Both are drawn anew, so that the interval is that of the ratio.
    """
    return ratio_of(one - other, other * np.sign(other.sum()), units, seed=seed)


def statistic_of(
    statistic: Callable[[Values], float], units: Units, *, seed: int = 0, draws: int = 200
) -> Estimate:
    """Any ``statistic`` of the weights (n,) that drawing the units gives the values."""
    told = spread_of(statistic, units, seed=seed, draws=draws)
    return estimated(statistic(np.ones(len(units))), np.array(told))


def estimated(value: float, spread: Values) -> Estimate:
    """A figure and what it came to in draws (B,); those that are no number are left out."""
    told = spread[np.isfinite(spread)]
    if not len(told):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(told, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def _by_unit(values: Values, units: Units) -> Values:
    _, index = np.unique(units, return_inverse=True)
    return np.bincount(index, values).astype(np.float64)
