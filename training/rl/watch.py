"""When to stop: the reward model is pleased more and more, and what is true is not.

A policy that is trained against a model of the reward finds what the model overrates. Where the
truth can be asked now and then (a simulated service's judge, an off-policy estimate), it is held
beside the model's word, on the same pages of the same visits.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
# One-sided 95%.
_SURE = 1.645


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The same visits' greedy pages after a step, as the model and as the truth has them; (B,)."""

    step: int
    model: Values
    truth: Values


@dataclass(slots=True)
class Watch:
    """Remembers the best look; `hacked` after ``patience`` looks in a row that are worse than it.

    A look is worse where the truth fell for certain (paired, one-sided 95%) while the model's word
    rose.
    """

    patience: int = 2
    looks: list[Look] = field(default_factory=list)
    best: Look | None = None
    worse: int = 0

    def see(self, look: Look) -> bool:
        """Take note; whether this is the best look so far."""
        self.looks.append(look)
        best = self.best
        if best is None or look.truth.mean() > best.truth.mean():
            self.best, self.worse = look, 0
            return True
        fell = look.truth - best.truth
        error = fell.std(ddof=1) / np.sqrt(len(fell)) if len(fell) > 1 else 0.0
        rose = look.model.mean() > best.model.mean()
        self.worse = self.worse + 1 if rose and fell.mean() < -_SURE * error else 0
        return False

    @property
    def hacked(self) -> bool:
        """Whether to stop."""
        return self.worse >= self.patience
