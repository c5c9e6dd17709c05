"""By what share one ranker is above another on the same events, with 95% intervals.

Users are drawn, the same for both rankers, so that what they share cancels out; both sums are drawn
anew, so that the interval is that of the ratio.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Estimate, uplift_of
from evaluation.log import Numbers
from evaluation.metrics import NAMES, Values, gains

# One ranker's figures over the other's, by metric.
Shares = tuple[Estimate | None, ...]


@dataclass(frozen=True, slots=True)
class Uplift:
    """0.09 is 9% above. None where the other ranker hit nothing."""

    overall: Shares
    rested: Shares
    in_session: Shares

    @classmethod
    def of(
        cls,
        ranks: Values,
        others: Values,
        users: Numbers,
        rested: NDArray[np.bool_],
        *,
        seed: int = 0,
    ) -> Self:
        """Of two rankers' ranks (n,) of the same events, which belong to ``users`` (n,)."""

        def shares(chosen: NDArray[np.bool_]) -> Shares:
            one, other = gains(ranks[chosen]), gains(others[chosen])
            return tuple(
                _above(a, b, users[chosen], seed=seed) for a, b in zip(one.T, other.T, strict=True)
            )

        return cls(shares(np.ones(len(ranks), np.bool_)), shares(rested), shares(~rested))

    def document(self) -> dict[str, object]:
        """As JSON."""
        parts = {"rested": self.rested, "in_session": self.in_session}
        return _named(self.overall) | {name: _named(part) for name, part in parts.items()}


def _above(one: Values, other: Values, users: Numbers, *, seed: int) -> Estimate | None:
    return uplift_of(one, other, users, seed=seed) if other.sum() else None


def _named(shares: Shares) -> dict[str, object]:
    pairs = zip(NAMES, shares, strict=True)
    return {name: None if found is None else found.document() for name, found in pairs}
