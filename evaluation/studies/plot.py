"""A study's plot as SVG: curves where rows have an ``x``, bars where they have none."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes as Plane
from matplotlib.figure import Figure

from evaluation.studies.findings import Axes, Row

_SIZE = (7.0, 4.2)


def draw(rows: Sequence[Row], axes: Axes, title: str, path: Path) -> None:
    """Write the plot; the same figures give the same file, wherever and whenever it is drawn."""
    with mpl.rc_context({"svg.hashsalt": "genpage", "svg.fonttype": "none", "font.size": 10.0}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        plane = figure.add_subplot()
        if any(row.x is not None for row in rows):
            _curves(plane, [row for row in rows if row.x is not None])
        else:
            _bars(plane, rows)
        _label(plane, axes, title)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _curves(plane: Plane, rows: Sequence[Row]) -> None:
    for series in dict.fromkeys(row.series for row in rows):
        own = sorted((row for row in rows if row.series == series), key=lambda row: row.x or 0.0)
        x = [row.x or 0.0 for row in own]
        line = plane.plot(x, [row.value for row in own], marker="o", label=series or None)[0]
        told = [(place, row.ci95) for place, row in zip(x, own, strict=True) if row.ci95]
        if told:
            plane.fill_between(
                [place for place, _ in told],
                [interval[0] for _, interval in told],
                [interval[1] for _, interval in told],
                color=line.get_color(),
                alpha=0.2,
                linewidth=0,
            )
    if any(row.series for row in rows):
        plane.legend(frameon=False)
    plane.grid(alpha=0.3)


def _bars(plane: Plane, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    plane.barh(places, [row.value for row in rows], color="#4c72b0", height=0.6)
    for place, row in zip(places, rows, strict=True):
        if row.ci95 is not None:
            plane.plot(row.ci95, (place, place), color="black", linewidth=1.5)
    plane.set_yticks(places, [row.name for row in rows])
    plane.invert_yaxis()
    plane.grid(axis="x", alpha=0.3)


def _label(plane: Plane, axes: Axes, title: str) -> None:
    plane.set_title(title)
    plane.set_xlabel(axes.x)
    plane.set_ylabel(axes.y)
    if "x" in axes.log:
        plane.set_xscale("log")
    if "y" in axes.log:
        plane.set_yscale("log")
