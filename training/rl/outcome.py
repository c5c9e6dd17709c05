"""What came of a run of RL: a line a step, and how it ended."""

from dataclasses import dataclass
from typing import Literal

from training.rl.watch import Look

Ending = Literal["budget", "reward hacking"]


@dataclass(frozen=True, slots=True)
class Line:
    """One step, as a line of the metrics. ``true`` and ``predicted``: where a look was taken."""

    step: int
    reward: float
    form: float
    spread: float  # the deviation of rewards within groups
    kl: float
    beta: float
    entropy: float
    clipped: float
    violations: int
    diversity: float
    gradient: float
    seconds: float
    predicted: float | None = None
    true: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: the step whose weights were kept, why it ended, its lines.

    ``looks`` are those at the truth, the one before the first step included.
    """

    version: str
    kept: int
    ending: Ending
    lines: tuple[Line, ...]
    looks: tuple[Look, ...]
