"""How probable a sampled choice was: what off-policy learning divides by."""

import numpy as np
from numpy.typing import NDArray


def propensities(
    scores: NDArray[np.float32],
    allowed: NDArray[np.integer],
    chosen: NDArray[np.integer],
    temperature: float,
) -> NDArray[np.float64]:
    """(k,) the probability of each of ``chosen``, one after the other, out of ``allowed``.

    ``scores`` (n,) stand for the sorted indices ``allowed`` (n,), ``chosen`` (k,) are some of
    those. What perturbing scores by Gumbel noise orders is drawn without replacement by the softmax
    of what is left (Plackett-Luce: Yellott 1977), so the k-th has the weight of all but those
    before it in its denominator. That sum is built from its end: taking weights away from a total
    would leave nothing of the small ones.
    """
    logits = scores.astype(np.float64) / temperature
    places = np.searchsorted(allowed, chosen)
    left = np.ones(len(allowed), np.bool_)
    left[places] = False
    sums = np.empty(len(chosen))
    total = np.logaddexp.reduce(logits[left], initial=-np.inf)
    for turn in range(len(chosen) - 1, -1, -1):
        total = np.logaddexp(total, logits[places[turn]])
        sums[turn] = total
    chances: NDArray[np.float64] = np.exp(logits[places] - sums)
    return chances
