"""Sampling ordered lists without replacement, with the probability of every choice.

Plackett-Luce: each place takes an item at probability proportional to its weight among the items
not yet placed (Plackett 1975). An exponential race draws all places at once: item i arrives after
an Exp(1) / weight, and the first k arrivals in order are the list.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A probability is written as a number above zero, however small it is.
LEAST = 1e-12


@dataclass(frozen=True)
class Lists:
    """``items`` (n, k) positions in the given weights; ``probability`` (n, k) of each choice."""

    items: NDArray[np.int64]
    probability: NDArray[np.float64]


def draw(weights: NDArray[np.float32], length: int, random: np.random.Generator) -> Lists:
    """``length`` distinct items for each line of ``weights`` (n, m).

    Each line must hold at least ``length`` positive weights; items of weight 0 are never taken.
    """
    arrival = random.standard_exponential(weights.shape, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):  # weight 0 never arrives
        np.divide(arrival, weights, out=arrival)
    if length < weights.shape[1]:
        first = np.argpartition(arrival, length - 1, axis=1)[:, :length]
    else:
        first = np.broadcast_to(np.arange(weights.shape[1]), weights.shape)
    order = np.argsort(np.take_along_axis(arrival, first, axis=1), axis=1)
    items = np.take_along_axis(first, order, axis=1)
    return Lists(items, probabilities(weights, items))


def probabilities(weights: NDArray[np.float32], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, k) the probability of each item given those before it."""
    # In float64, and summed from the last place on: what is left after twenty favourites must not
    # be their rounding.
    taken = np.take_along_axis(weights, items, axis=1).astype(np.float64)
    never = np.maximum(weights.sum(axis=1, dtype=np.float64) - taken.sum(axis=1), 0.0)
    left = np.cumsum(taken[:, ::-1], axis=1)[:, ::-1] + never[:, None]
    return np.asarray(np.clip(taken / left, LEAST, 1.0))
