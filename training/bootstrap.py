"""What a figure comes to when its independent units are drawn anew: the bootstrap.

Members are drawn, not pages: one member's pages depend on each other (Efron and Tibshirani 1993,
chapter 8).
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Units = NDArray[np.int64]
Figure = TypeVar("Figure")


def spread_of(
    statistic: Callable[[Values], Figure], units: Units, *, seed: int = 0, draws: int = 200
) -> list[Figure]:
    """A ``statistic`` of the weights (n,) that drawing the units gives the values, each draw's."""
    names, index = np.unique(units, return_inverse=True)
    chance, chances = np.random.default_rng(seed), np.full(len(names), 1 / len(names))
    drawn = (chance.multinomial(len(names), chances) for _ in range(draws))  # (U,) how often each
    return [statistic(line[index].astype(np.float64)) for line in drawn]
