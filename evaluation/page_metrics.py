"""How well scores tell good places of a page from bad ones: AUC, WBC loss, NDCG.

A place is an impressed entity or row whose feedback is known, with the score (a logit) that a
model or a pipeline gave it there and the reward that it brought. A figure that places do not tell,
since none of them was rewarded, say, is not `Estimate.known`.

Shape legend: n places.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import UNKNOWN, Estimate, mean_of, ratio_of, statistic_of
from genpage.errors import DatasetError

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Scored places with feedback; ``member`` and ``page`` number whose page it is, and which."""

    score: Values  # (n,)
    reward: Values  # (n,)
    page: Numbers  # (n,)
    member: Numbers  # (n,)

    def __post_init__(self) -> None:
        """Columns of one length, of finite numbers; else a `DatasetError`."""
        sizes = {len(self.score), len(self.reward), len(self.page), len(self.member)}
        if len(sizes) > 1:
            raise DatasetError("scores, rewards, pages and members of places differ in length")
        if not (np.isfinite(self.score).all() and np.isfinite(self.reward).all()):
            raise DatasetError("a place's score or reward is no number; its model may be broken")


def auc(score: Values, positive: NDArray[np.bool_], weight: Values | None = None) -> float:
    """The chance that a positive place scores above another; ties count half. NaN for one class.

    With weights (n,), the chance among places drawn by weight.
    """
    weight = np.ones(len(score)) if weight is None else weight
    _, level = np.unique(score, return_inverse=True)
    good = np.bincount(level, weight * positive)
    bad = np.bincount(level, weight * ~positive, len(good))
    total = good.sum() * bad.sum()
    below = np.cumsum(bad) - bad
    return float((good * (below + 0.5 * bad)).sum() / total) if total else float("nan")


def auc_of(places: Places, *, seed: int = 0) -> Estimate:
    """AUC of rewarded places against all others."""
    positive = places.reward > 0
    if not positive.any() or positive.all():
        return UNKNOWN
    return statistic_of(
        lambda weight: auc(places.score, positive, weight), places.member, seed=seed
    )


def wbc_loss(places: Places, *, unrewarded: float, seed: int = 0) -> Estimate:
    """Weighted binary cross-entropy: label = sign of the reward, weight = its magnitude.

    A place without any reward is a negative of weight ``unrewarded`` (METHOD's "impression without
    action slightly negative").
    """
    positive = places.reward > 0
    weight = np.where(places.reward == 0, unrewarded, np.abs(places.reward))
    if not weight.any():
        return UNKNOWN
    nats = np.logaddexp(0.0, np.where(positive, -places.score, places.score))
    return ratio_of(weight * nats, weight, places.member, seed=seed)


def page_ndcg(places: Places, *, seed: int = 0) -> Estimate:
    """NDCG of each page's places ordered by score, gains being rewards above zero.

    Pages without any gain are left out; ties stand as they came.
    """
    gains = np.maximum(places.reward, 0.0)
    if not gains.any():
        return UNKNOWN
    order = np.lexsort((-places.score, places.page))
    ideal = np.lexsort((-places.reward, places.page))
    page = places.page[order]
    start = np.flatnonzero(np.diff(page, prepend=page[0] - 1))
    sizes = np.diff(np.append(start, len(page)))
    discount = 1.0 / np.log2(2.0 + np.arange(len(page)) - np.repeat(start, sizes))
    reached = np.add.reduceat(gains[order] * discount, start)
    best = np.add.reduceat(gains[ideal] * discount, start)
    told = best > 0
    return mean_of(reached[told] / best[told], places.member[order][start][told], seed=seed)
