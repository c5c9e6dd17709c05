"""What another policy would have earned, from pages that a policy with known chances served.

Inverse propensity scoring, its self-normalised form (Swaminathan and Joachims 2015) and the doubly
robust estimate (Dudik, Langford, Li 2011), each with the effective sample size of its weights and
an interval. A page is hundreds of choices, and the product of all their ratios weighs next to every
page with nothing; three ways to weigh a place trade that variance for bias:

- ``page``: by the whole page's ratio. Unbiased, useful for very short pages or close policies.
- ``cascade``: by the ratio of the choices up to the place: what comes later cannot have changed
  what happened there (McInerney et al. 2020, reward interaction IPS).
- ``place``: by the place's own ratio, as if places did not interact (Li et al. 2018).

Shape legend: n pages, K places of a page, in reading order.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Estimate, estimated, mean_of, resampled
from genpage.errors import DatasetError

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]
Weighting = Literal["page", "cascade", "place"]
# Ratios are cut here by default: one lucky page must not speak for all (Ionides 2008).
LARGEST = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """Logged pages, padded: ``there`` (n, K) tells places from padding.

    ``logged`` and ``target`` are the chances of what was shown at each place, given all before it,
    under the policy that served and under the one that is judged.
    """

    reward: Values  # (n, K)
    logged: Values  # (n, K)
    target: Values  # (n, K)
    there: NDArray[np.bool_]  # (n, K)
    member: Numbers  # (n,)

    def __post_init__(self) -> None:
        """Chances must be chances, and what was logged cannot have been impossible."""
        if not (self.reward.shape == self.logged.shape == self.target.shape == self.there.shape):
            raise DatasetError("rewards and propensities of the logged pages differ in shape")
        logged, target = self.logged[self.there], self.target[self.there]
        if not ((logged > 0) & (logged <= 1)).all():
            raise DatasetError(
                "a logged propensity is not above 0 and at most 1; such pages must be left out "
                "before anything is estimated from them"
            )
        if not ((target >= 0) & (target <= 1)).all():
            raise DatasetError("a target propensity is not a probability")

    def weights(self, weighting: Weighting, *, largest: float = LARGEST) -> Values:
        """(n, K) the weight of each place's reward; 0 at padding."""
        ratio = self._ratios()
        if weighting == "place":
            total = ratio
        elif weighting == "cascade":
            total = np.cumsum(ratio, axis=1)
        else:
            total = np.broadcast_to(ratio.sum(axis=1, keepdims=True), ratio.shape)
        return self._cut(total, largest)

    def weights_before(self, weighting: Weighting, *, largest: float = LARGEST) -> Values:
        """(n, K) how much likelier the target comes to each place: by the choices before it.

        1 where places are taken not to interact; 0 at padding.
        """
        total = np.zeros(self.there.shape)
        if weighting != "place":
            total[:, 1:] = np.cumsum(self._ratios(), axis=1)[:, :-1]
        return self._cut(total, largest)

    def _ratios(self) -> Values:
        """(n, K) logarithms; 0 at padding, and -inf for what the target would never show."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.where(self.there, self.target, 1.0))
        return np.asarray(logs - np.log(np.where(self.there, self.logged, 1.0)))

    def _cut(self, logs: Values, largest: float) -> Values:
        return np.where(self.there, np.exp(np.minimum(logs, np.log(largest))), 0.0)


@dataclass(frozen=True, slots=True)
class OffPolicy:
    """One estimate of the target's reward a page, and how many pages it is worth."""

    estimate: Estimate
    effective: float
    pages: int

    def document(self) -> dict[str, object]:
        """As reports write it."""
        return {**self.estimate.document(), "effective": self.effective, "n": self.pages}


def ips(
    logged: Logged, weighting: Weighting = "page", *, largest: float = LARGEST, seed: int = 0
) -> OffPolicy:
    """The mean over pages of weighted rewards."""
    weights = logged.weights(weighting, largest=largest)
    values = (weights * logged.reward).sum(axis=1)
    return OffPolicy(
        mean_of(values, logged.member, seed=seed), effective(weights, logged), len(values)
    )


def snips(
    logged: Logged, weighting: Weighting = "page", *, largest: float = LARGEST, seed: int = 0
) -> OffPolicy:
    """The same with each place's weights divided by their mean: biased a little, steadier a lot.

    Places are normalised one by one, since a cascade's weights fall from place to place: the sum
    over places of the weighted mean reward there, times how many pages have the place.
    """
    weights = logged.weights(weighting, largest=largest)
    sums = np.concatenate([weights * logged.reward, weights, logged.there, _ones(logged)], axis=1)
    _, index = np.unique(logged.member, return_inverse=True)
    by_member = np.stack(
        [np.bincount(index, column) for column in sums.T], axis=1, dtype=np.float64
    )
    width = logged.there.shape[1]

    def value(totals: Values) -> Values:
        above, below, there = (totals[:, width * k : width * (k + 1)] for k in range(3))
        means = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        return np.asarray((means * there / totals[:, -1:]).sum(axis=1))

    found = estimated(
        float(value(by_member.sum(axis=0, keepdims=True))[0]),
        value(resampled(by_member, seed=seed)),
    )
    return OffPolicy(found, effective(weights, logged), len(weights))


def _ones(logged: Logged) -> Values:
    return np.ones((len(logged.reward), 1))


def doubly_robust(
    logged: Logged,
    predicted: Values,
    expected: Values,
    weighting: Weighting = "page",
    *,
    largest: float = LARGEST,
    seed: int = 0,
) -> OffPolicy:
    """What a reward model says of the target's pages, corrected where it was wrong on logged ones.

    ``predicted`` (n, K) is its reward of what was shown, ``expected`` (n, K) of what the target
    policy would show there on average, given all before it. The latter counts by how likely the
    target comes there at all (Jiang and Li 2016). Right where the chances are, whatever the model
    says; and where the model is right, whatever the chances of a first or only place are.
    """
    weights = logged.weights(weighting, largest=largest)
    reached = logged.weights_before(weighting, largest=largest)
    corrected = reached * expected + weights * (logged.reward - predicted)
    corrected = np.where(logged.there, corrected, 0.0)
    return OffPolicy(
        mean_of(corrected.sum(axis=1), logged.member, seed=seed),
        effective(weights, logged),
        len(weights),
    )


def effective(weights: Values, logged: Logged) -> float:
    """Kish's effective sample size, in pages: (sum w)^2 / sum w^2 of the pages' mean weights."""
    places = np.maximum(1, logged.there.sum(axis=1))
    a_page = weights.sum(axis=1) / places
    squares = float((a_page**2).sum())
    return float(a_page.sum() ** 2 / squares) if squares else 0.0
