"""Random numbers for sampling, addressed by position instead of drawn in sequence.

Philox is counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
the numbers of a page position are a pure function of (seed, position), so what is sampled cannot
depend on batching, on where a page was taken up again, or on how positions were grouped.
"""

import numpy as np
from numpy.typing import NDArray

from runtime.arrays import IntArray

_SEED_MASK = (1 << 64) - 1


def gumbel(seed: int, position: int, size: int, indices: IntArray) -> NDArray[np.float64]:
    """Standard Gumbel noise (n,) for the catalog ``indices`` (n,) out of ``size``.

    Adding it to logits and taking the maximum samples from their softmax; the top k are a sample
    without replacement (Kool et al., "Stochastic beams and where to find them", ICML 2019). An
    index's noise does not depend on which others are allowed.
    """
    # The second word counts positions, so no two positions' streams can meet.
    bits = np.random.Philox(key=seed & _SEED_MASK, counter=[0, position, 0, 0]).random_raw(size)
    uniform = ((bits[indices] >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    noise: NDArray[np.float64] = -np.log(-np.log(uniform))
    return noise
