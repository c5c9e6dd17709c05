"""The highest of many scores, in an order that does not depend on how they are found."""

import numpy as np
from numpy.typing import NDArray


def highest(scores: NDArray[np.float32], count: int) -> tuple[int, ...]:
    """Indices of the ``count`` highest of ``scores`` (n,) above zero, highest first.

    Ties stand in order of index. Sorts only what can be among them.
    """
    above = np.flatnonzero(scores > 0)
    values = scores[above]
    if len(above) > count > 0:
        # All that tie with the last one stay in, so that the order among them is the indices'.
        contenders = values >= np.partition(values, -count)[-count]
        above, values = above[contenders], values[contenders]
    order = np.argsort(-values, kind="stable")[:count]
    return tuple(above[order].tolist())
