"""Candidate generation: the few hundred titles that a ranker is to look at.

Each generator is one signal and how many it proposes; the union is what is ranked.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.multistage.store import SIGNAL

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
GENERATORS: Final = {
    "trend_0.2d": 40,
    "trend_1.5d": 120,
    "trend_6d": 80,
    "trend_3650d": 40,
    "near": 120,
    "near_last": 40,
    "next": 30,
    "near_history": 80,
    "shared": 120,
    "factors": 100,
    "like_last": 20,
    "like_sitting": 50,
    "like_history": 40,
}


def propose(signals: Floats, allowed: NDArray[np.bool_]) -> Ints:
    """Sorted catalog indices of the candidates among ``allowed`` (E,), from signals (S, E)."""
    places = np.flatnonzero(allowed)
    chosen = np.zeros(len(places), np.bool_)
    for name, count in GENERATORS.items():
        values = signals[SIGNAL[name], places]
        above = np.flatnonzero(values)
        if len(above) > count:
            found = values[above]
            above = above[np.argpartition(found, len(found) - count)[-count:]]
        chosen[above] = True
    return places[chosen]
