"""A run's curves as SVG, by its journal's lines (`evaluation.curves`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from evaluation.curves import hr10, older_hr10
from evaluation.freshness import AGES
from evaluation.studies.findings import Axes, Row
from evaluation.studies.plot import draw
from genpage.staging import replacing
from training.journal import Line

PLOT: Final = "curves.svg"


def rows_of(lines: Sequence[Line]) -> list[Row]:
    """All points of the curves, by how many days the stale model is old."""
    return [
        Row(str(line["day"]), value, series=series, x=float(str(line["stale_days"])))
        for line in lines
        if "stale_days" in line
        for series, value in _figures(line)
        if value is not None
    ]


def _figures(line: Line) -> Iterator[tuple[str, float | None]]:
    yield "updated every day", hr10(line["before"])
    yield "not updated", hr10(line["stale"])
    for ago, value in zip(AGES, older_hr10(line), strict=True):
        yield f"updated, asked of {ago} days before", value


def plot(lines: Sequence[Line], folder: Path) -> None:
    """Write the run's plot, whole or not at all; nothing where there is no point."""
    rows = rows_of(lines)
    if not rows:
        return
    axes = Axes("days since the run began", "HR@10 of the next title")
    title = "A model updated every day, and one that is not"
    with replacing(folder / PLOT) as unfinished:
        draw(rows, axes, title, unfinished)
