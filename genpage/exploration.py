"""Exploration in serving: a small declared share of choices is drawn instead of decided.

At each choice on a page (a row, or a title in it) a coin that depends on (seed, position) alone
decides with probability ``share`` whether the choice is drawn from the softmax of the scores over
what the rules allow, else the best is taken. The chance of what was chosen is exact,

    chance(a) = (1 - share) [a is the best] + share softmax(score / temperature)(a),

and positive for everything that the rules allow: estimates of other policies' rewards divide by it
(`evaluation.off_policy`). Rules are never explored: only allowed indices take part.

Shape legend: n allowed choices, k choices made one after another.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.errors import InputError
from genpage.propensity import propensities

Scores = NDArray[np.float32]
Places = NDArray[np.intp]
_SEED_MASK = (1 << 64) - 1
# Sets these streams apart from sampling at a temperature, which draws by a seed of the client's.
_STREAM = 0x6578706C


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Choices one after another, each out of what those before it left.

    ``places`` (k,) among the allowed, ``best`` (k,) what would have been taken, ``drawn`` (k,)
    whether the choice was explored; it may have come out as the best one all the same.
    """

    places: Places
    best: Places
    drawn: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Exploration:
    """The policy. ``share`` 0 decides everything, and each choice then has propensity 1."""

    share: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no share or no temperature, naming the field."""
        if not 0.0 <= self.share <= 1.0:
            raise InputError(f"share must lie between 0 and 1, not be {self.share}")
        if not 0.0 < self.temperature < float("inf"):
            raise InputError(f"temperature must be a positive number, not {self.temperature}")

    def choose(
        self, scores: Scores, best: NDArray[np.integer], *, seed: int, position: int
    ) -> Chosen:
        """As many of the allowed as ``best`` (k,) names, by their ``scores`` (n,), k <= n.

        ``best`` are the places of the k highest scores, in order. A pure function of its arguments:
        ``position`` counts the page's choices, so a page taken up again, or guessed ahead, draws
        the same.
        """
        if not 1 <= len(best) <= len(scores):
            raise RuntimeError(f"{len(best)} of {len(scores)} cannot be chosen. This is a bug.")
        left = np.ones(len(scores), np.bool_)
        places, leading = np.empty((2, len(best)), np.intp)
        drawn = np.zeros(len(best), np.bool_)
        first = 0
        for turn in range(len(best)):
            while not left[best[first]]:  # before ``turn`` fewer were taken than ``best`` names
                first += 1
            leading[turn] = places[turn] = best[first]
            coin, draw = _uniform(seed, position + turn)
            if coin < self.share:
                drawn[turn] = True
                places[turn] = self._drawn(scores, left, draw)
            left[places[turn]] = False
        return Chosen(places, leading, drawn)

    def chances(self, scores: Scores, chosen: Chosen) -> NDArray[np.float64]:
        """(k,) the chance of each choice given those before it."""
        allowed = np.arange(len(scores))
        chances = self.share * propensities(scores, allowed, chosen.places, self.temperature)
        chances[chosen.places == chosen.best] += 1.0 - self.share
        return chances

    def odds(self, scores: Scores) -> NDArray[np.float64]:
        """(n,) the chance of each of the allowed to be the next choice, by their scores (n,)."""
        if not len(scores):
            return np.zeros(0)
        logits = scores.astype(np.float64) / self.temperature
        odds: NDArray[np.float64] = np.exp(logits - logits.max())
        odds *= self.share / odds.sum()
        odds[int(scores.argmax())] += 1.0 - self.share  # of equals the first is the best
        return odds

    @property
    def name(self) -> str:
        """What reports call the policy."""
        if self.share == 0.0:
            return "greedy"
        drawn = "all" if self.share == 1.0 else f"{self.share:.4g}"
        return f"{drawn} drawn at temperature {self.temperature:.4g}"

    def _drawn(self, scores: Scores, left: NDArray[np.bool_], draw: float) -> int:
        """A place of those left, by the softmax of their scores at ``draw`` in [0, 1)."""
        places = left.nonzero()[0]
        logits = scores[places].astype(np.float64) / self.temperature
        bounds = np.cumsum(np.exp(logits - logits.max()))
        return int(places[min(int((draw * bounds[-1] >= bounds).sum()), len(places) - 1)])


NO_EXPLORATION: Final = Exploration()


def seed_of(page_id: str) -> int:
    """The seed of a page's draws: whoever has the page's id can draw them again."""
    return int.from_bytes(hashlib.sha256(page_id.encode()).digest()[:8], "big")


def _uniform(seed: int, position: int) -> tuple[float, float]:
    """Two numbers in [0, 1) by Philox (Salmon et al., SC 2011), addressed by position."""
    counter = [0, position, _STREAM, 0]
    bits = np.random.Philox(key=seed & _SEED_MASK, counter=counter).random_raw(2)
    first, second = ((bits >> np.uint64(11)).astype(np.float64) * 2.0**-53).tolist()
    return first, second
