"""What came of a run: how long, how fast, how good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from training.trainer import Record


@dataclass(frozen=True, slots=True)
class Validation:
    """Losses on the held-out last day (nats a target) beside those of a blind guess.

    ``figures`` are the objective's own.
    """

    day: str
    pages: int
    losses: dict[str, float]
    guesses: dict[str, float]
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """The parent, by the run's own objective, and what the run made of it, on the same pages.

    None where there is no parent, or no day to hold out.
    """

    before: Validation | None
    after: Validation | None


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast some steps were, of all processes together.

    ``peak_flops`` is what their matrix products reach.
    """

    tokens: int
    seconds: float
    flops: float
    peak_flops: float

    @classmethod
    def of(cls, records: Sequence[Record], peak_flops: float) -> Self:
        """Of the steps that these tell."""
        return cls(
            sum(record.tokens for record in records),
            sum(record.seconds for record in records),
            sum(record.flops for record in records),
            peak_flops,
        )

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second; 0 where no step was taken."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def flops_per_s(self) -> float:
        """The model's FLOP/s."""
        return self.flops / self.seconds if self.seconds else 0.0

    @property
    def flops_share(self) -> float:
        """The model's FLOP/s as a share of the peak."""
        return self.flops_per_s / self.peak_flops


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run: ``steps``, ``examples``, ``tokens`` and ``seconds`` of all its parts.

    A run that was killed has several parts, on machines that may have been busy with other things:
    ``speed`` is that of this one, which began after ``resumed_after`` steps. ``noticed`` is what
    the labels found wanting in the pages that were read, and how many of it.
    """

    version: str
    parameters: int
    first_day: str
    last_day: str
    pages: int
    steps: int
    examples: int
    tokens: int
    seconds: float
    resumed_after: int
    speed: Speed
    losses: dict[str, float]
    judged: Judged
    noticed: dict[str, int]

    @property
    def validation(self) -> Validation | None:
        """How the run's checkpoint did on the held-out day."""
        return self.judged.after


def recent(records: list[Record], count: int = 20) -> dict[str, float]:
    """Mean losses of the last steps."""
    last = records[-count:]
    names = last[-1].parts if last else {}
    return {name: sum(r.parts[name] for r in last) / len(last) for name in names}
