"""How long to train, and the learning rate on the way."""

import math
from dataclasses import dataclass

from genpage.errors import UsageError

WARM_UP = 0.05
FLOOR = 0.05


@dataclass(frozen=True, slots=True)
class Budget:
    """Until so many steps, or until so many examples were taken: exactly one of the two."""

    steps: int | None = None
    examples: int | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.examples is None):
            raise UsageError("give either --steps or --epochs, not both")
        if (self.steps or self.examples or 0) < 1:
            raise UsageError("there is nothing to train on: no steps and no pages")

    def progress(self, steps: int, examples: int) -> float:
        """The share of the budget that is used up, 0 to 1."""
        if self.steps is not None:
            return min(1.0, steps / self.steps)
        return min(1.0, examples / (self.examples or 1))


def learning_rate(peak: float, progress: float) -> float:
    """Linear warm-up, then half a cosine (Loshchilov and Hutter 2017) down to a floor.

    ``progress`` counts the step that it is for.
    """
    if progress < WARM_UP:
        return peak * progress / WARM_UP
    fall = (progress - WARM_UP) / (1.0 - WARM_UP)
    return peak * (FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * fall)))
