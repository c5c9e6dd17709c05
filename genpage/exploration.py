"""Exploration in serving: a small declared share of choices is drawn instead of decided.

At each choice on a page (a row, or a title in it) a coin that depends on (seed, position) alone
decides with probability ``share`` whether the choice is drawn from the softmax of the scores over
what the rules allow, else the best is taken. The chance of what was chosen is exact,

    chance(a) = (1 - share) [a is the best] + share softmax(score / temperature)(a),

and positive for everything that the rules allow: estimates of other policies' rewards divide by it
(`evaluation.off_policy`). Rules are never explored: only allowed indices take part.

Shape legend: n allowed choices.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.errors import InputError

Scores = NDArray[np.float32] | NDArray[np.float64]
_SEED_MASK = (1 << 64) - 1
# Sets these streams apart from sampling at a temperature, which draws by the same seed.
_STREAM = 0x6578706C


@dataclass(frozen=True, slots=True)
class Chosen:
    """One choice: its place among the allowed, how likely it was, and whether it was drawn."""

    place: int
    propensity: float
    explored: bool


@dataclass(frozen=True, slots=True)
class Exploration:
    """The policy. ``share`` 0 decides everything, and each choice then has propensity 1."""

    share: float = 0.02
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no share or no temperature, naming the field."""
        if not 0.0 <= self.share <= 1.0:
            raise InputError(f"share must lie between 0 and 1, not be {self.share}")
        if not 0.0 < self.temperature < float("inf"):
            raise InputError(f"temperature must be a positive number, not {self.temperature}")

    def choose(self, scores: Scores, *, seed: int, position: int) -> Chosen:
        """One of the allowed by their ``scores`` (n,), n >= 1; a pure function of its arguments.

        ``position`` counts the page's choices, so that a page taken up again draws the same.
        """
        if len(scores) < 1:
            raise RuntimeError("nothing is allowed here. This is a bug.")
        chances = self.chances(scores)
        coin, draw = _uniform(seed, position)
        explored = coin < self.share
        place = int(scores.argmax())
        if explored:
            bounds = np.cumsum(_softmax(scores, self.temperature))
            place = min(int((draw * bounds[-1] >= bounds).sum()), len(scores) - 1)
        return Chosen(place, float(chances[place]), explored)

    def chances(self, scores: Scores) -> NDArray[np.float64]:
        """(n,) the chance of each allowed choice; they sum to 1."""
        chances = self.share * _softmax(scores, self.temperature)
        chances[int(scores.argmax())] += 1.0 - self.share
        return chances


def _softmax(scores: Scores, temperature: float) -> NDArray[np.float64]:
    logits = scores.astype(np.float64) / temperature
    odds: NDArray[np.float64] = np.exp(logits - logits.max())
    return np.asarray(odds / odds.sum())


def _uniform(seed: int, position: int) -> tuple[float, float]:
    """Two numbers in [0, 1) by Philox (Salmon et al., SC 2011), addressed by position."""
    counter = [0, position, _STREAM, 0]
    bits = np.random.Philox(key=seed & _SEED_MASK, counter=counter).random_raw(2)
    first, second = ((bits >> np.uint64(11)).astype(np.float64) * 2.0**-53).tolist()
    return first, second
