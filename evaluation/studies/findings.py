"""What a study found: rows of figures with their intervals, and how to draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from evaluation.intervals import Estimate
from genpage.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``series`` and ``x`` place it in the plot; without ``x`` it is a bar."""

    name: str
    value: float
    ci95: tuple[float, float] | None = None
    series: str = ""
    x: float | None = None

    @classmethod
    def of(cls, name: str, estimate: Estimate, *, series: str = "", x: float | None = None) -> Self:
        """From an estimate."""
        return cls(name, estimate.value, estimate.ci95, series, x)

    def document(self) -> dict[str, object]:
        """As the study's JSON has it: names are of the whole study, so they tell the series."""
        interval = None if self.ci95 is None else list(self.ci95)
        name = f"{self.series}: {self.name}" if self.series else self.name
        return {"name": name, "value": self.value, "ci95": interval}


@dataclass(frozen=True, slots=True)
class Axes:
    """What the plot's axes say; ``log`` names those that are logarithmic: ``"x"``, ``"xy"``."""

    x: str
    y: str
    log: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """``simulated`` says what of the data was made up; ``notes`` are Markdown.

    The rows that stand in ``unplotted`` series are in the table and the JSON alone.
    """

    rows: Sequence[Row]
    axes: Axes
    simulated: str
    notes: str = ""
    unplotted: Sequence[str] = ()

    @property
    def plotted(self) -> list[Row]:
        """The rows of the plot."""
        return [row for row in self.rows if row.series not in self.unplotted]

    def __post_init__(self) -> None:
        """A study that found nothing, or says nothing of its data, is a `DatasetError`."""
        if not self.rows:
            raise DatasetError("the study found nothing to report")
        if not self.simulated:
            raise DatasetError("a study must say what was simulated")
