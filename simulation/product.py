"""Matrix products on the calling thread."""

import numpy as np

from simulation.truth import Floats

# OpenBLAS runs a product of up to so many multiplications without waking its threads. Those spin
# while they wait, which costs more than they bring where two threads of ours already work.
_SMALL = 1 << 18


def product(left: Floats, right: Floats) -> Floats:
    """``left @ right`` of (n, k) and (k, m), as a stack of small products."""
    lines = max(1, _SMALL // max(1, right.size))
    whole = len(left) - len(left) % lines
    result = np.empty((len(left), right.shape[1]), np.float32)
    stacked = left[:whole].reshape(-1, lines, left.shape[1])
    np.matmul(stacked, right, out=result[:whole].reshape(-1, lines, right.shape[1]))
    np.matmul(left[whole:], right, out=result[whole:])
    return result
