"""The days of data that a model was trained on, as checkpoints and bundles tell them."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from genpage.errors import ArtefactError

# A bundle's manifest says them under this name in ``made_with``, as an `TrainedOn.interval`.
MADE_WITH = "trained_on"


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The UTC days from ``first`` to ``last``, both included. `ArtefactError` where one is none."""

    first: str
    last: str

    def __post_init__(self) -> None:
        try:
            days = [date.fromisoformat(day).isoformat() for day in (self.first, self.last)]
        except ValueError as error:
            raise ArtefactError(f"trained_on: {error}; a day is written as 2026-01-31.") from error
        if days != [self.first, self.last] or self.first > self.last:
            raise ArtefactError(f"trained_on: {self.first} to {self.last} are no days in order.")

    @property
    def until(self) -> str:
        """The first day after them: nothing that happened from its midnight on was seen."""
        return (date.fromisoformat(self.last) + timedelta(days=1)).isoformat()

    @property
    def interval(self) -> str:
        """In ISO 8601's words, the end exclusive: ``2026-01-01/2026-02-01``."""
        return f"{self.first}/{self.until}"

    @classmethod
    def parse(cls, interval: str) -> Self:
        """The days of an `interval`."""
        first, _, until = interval.partition("/")
        try:
            last = (date.fromisoformat(until) - timedelta(days=1)).isoformat()
        except (ValueError, OverflowError) as error:
            raise ArtefactError(f"trained_on: {interval!r} is no interval of days.") from error
        return cls(first, last)

    def meets(self, first: str, until: str) -> bool:
        """Whether a day of them is in the half-open ``[first, until)``."""
        return self.first < until and first < self.until

    def and_also(self, other: "TrainedOn | None") -> "TrainedOn":
        """The span of both: what a model has seen that went on from another."""
        if other is None:
            return self
        return TrainedOn(min(self.first, other.first), max(self.last, other.last))

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {"first": self.first, "last": self.last, "until": self.until}
