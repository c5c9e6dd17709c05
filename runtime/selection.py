"""Choosing among allowed catalog indices: the best one, or the best few in order.

Values are gathered for the allowed indices first; nothing else can be chosen. The order is by
(value descending, index ascending), so equal values are decided by the catalog, not by luck.
"""

import math

import numpy as np
from numpy.typing import NDArray

from genpage.errors import ArtefactError
from runtime.arrays import FloatArray, IntArray

Values = FloatArray | NDArray[np.float64]


def top(values: Values, allowed: IntArray, count: int) -> IntArray:
    """The ``count`` allowed indices of the highest values, in order.

    ``values`` (n,) stand for the sorted indices ``allowed`` (n,), 1 <= count <= n. A partition
    finds the least value that is in, ties at it are admitted by index, and only what is in is
    sorted. Raises `ArtefactError` where a value is NaN.
    """
    size = len(values)
    if not 1 <= count <= size:
        raise RuntimeError(f"{count} of {size} allowed items cannot be chosen. This is a bug.")
    highest = int(values.argmax())  # the first of equals, and any NaN before all else
    if math.isnan(values[highest]):
        raise ArtefactError(
            "the model gave a score that is not a number; its bundle must not serve. Roll it back."
        )
    if count == 1:
        return allowed[highest : highest + 1]
    if count < size:
        least = np.partition(values, size - count)[size - count]
        above = (values > least).nonzero()[0]
        level = (values == least).nonzero()[0][: count - len(above)]
        places = np.concatenate((above, level))
    else:
        places = np.arange(size)
    # Places at equal values stand in index order, and a stable sort leaves them so.
    order = np.argsort(-values[places], kind="stable")
    chosen: IntArray = allowed[places[order]]
    return chosen
