"""The rank of one entity among the candidates, ties sharing their middle rank."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Scores = NDArray[np.floating[Any]]


def middle_rank(scores: Scores, target: int, own: Numbers) -> float:
    """The rank from 1 of ``target`` by descending ``scores`` (candidates,), less those in ``own``.

    Of k candidates with equal scores on ranks r..r+k-1 each has rank r + (k - 1) / 2. ``own``
    holds distinct candidates, ``target`` not among them.
    """
    score, excluded = scores[target], scores[own]
    greater = np.count_nonzero(scores > score) - np.count_nonzero(excluded > score)
    equal = np.count_nonzero(scores == score) - np.count_nonzero(excluded == score)
    return 1 + greater + (equal - 1) / 2
