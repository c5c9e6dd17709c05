"""Where the numbers of training may lie: settings are checked as they are made.

A count of 0 or a rate that is no number trains nothing, or something that nobody asked for, and is
seldom noticed before the end.
"""

import math
from dataclasses import dataclass
from typing import Final

from genpage.errors import UsageError


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most; ``above``: the least itself is too little. Both are finite."""

    least: float
    most: float = math.inf
    whole: bool = False
    above: bool = False

    def holds(self, value: object) -> bool:
        """Whether it is such a number; a boolean is none."""
        if type(value) is not int and (self.whole or type(value) is not float):
            return False
        over = value > self.least if self.above else value >= self.least
        return over and value <= self.most and value < math.inf

    def __str__(self) -> str:
        """As a sentence about a setting goes on."""
        noun = "a whole number" if self.whole else "a number"
        if self.most < math.inf:
            joined = "above {} and at most {}" if self.above else "from {} to {}"
            return f"{noun} {joined.format(f'{self.least:g}', f'{self.most:g}')}"
        return f"{noun}{' above' if self.above else ', at least'} {self.least:g}"


COUNT: Final = Bounds(1, whole=True)
COUNT_OR_NONE: Final = Bounds(0, whole=True)
SHARE: Final = Bounds(0.0, 1.0)
RATE: Final = Bounds(0.0, 1.0, above=True)  # of learning, of discounting
WEIGHT: Final = Bounds(0.0)
POSITIVE: Final = Bounds(0.0, above=True)


def check(settings: object, **bounds: Bounds) -> None:
    """`UsageError` for the first of the named fields that lies outside its bounds.

    None is left alone: it stands for a default.
    """
    for name, bound in bounds.items():
        value = getattr(settings, name)
        if value is not None and not bound.holds(value):
            raise UsageError(f"{name} must be {bound}, not {value!r}")
