"""Where a page's time goes, as an SVG: its parts one after the other, and how low two could lie."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.roof import Roof
from benchmarks.visit import Measured, Visit

_PARTS = {
    "prompt": "#4c72b0",
    "passes": "#dd8452",
    "head": "#55a868",
    "planning, rules, choices": "#c44e52",
    "answering": "#8172b3",
}
_SIZE = (7.5, 3.4)


def parts_of(visit: Visit) -> dict[str, float]:
    """Milliseconds of each part; together about the median page."""
    held = visit.parts
    answering = visit.floor_ms.p50
    rest = max(0.0, visit.outside_ms.p50 - answering)
    values = (held.prompt_ms, held.passes_ms, held.head_ms, rest, answering)
    return dict(zip(_PARTS, values, strict=True))


def draw(measured: Measured, roof: Roof, path: Path) -> None:
    """Write the plot. A black line stands where a part of the trunk's would end at the roof."""
    visits = {"cold": measured.cold, "warm": measured.warm, "returning": measured.returning}
    with mpl.rc_context({"svg.hashsalt": "genpage", "svg.fonttype": "none", "font.size": 10.0}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        plane = figure.add_subplot()
        for place, visit in enumerate(visits.values()):
            start = 0.0
            held = visit.parts
            least = {
                "prompt": roof.least_ms(held.prompt_runs, held.prompt_tokens),
                "passes": roof.least_ms(held.passes_runs, held.passes_tokens),
            }
            for name, value in parts_of(visit).items():
                label = name if place == 0 else None
                plane.barh(place, value, left=start, color=_PARTS[name], label=label, height=0.55)
                if name in least:
                    end = start + least[name]
                    plane.plot((end, end), (place - 0.36, place + 0.36), color="black")
                start += value
        plane.set_yticks(range(len(visits)), list(visits))
        plane.invert_yaxis()
        plane.set_xlabel("ms, medians; black: the trunk's part at the roof")
        plane.grid(axis="x", alpha=0.3)
        plane.legend(frameon=False, fontsize=8, loc="lower right")
        figure.savefig(path, format="svg", metadata={"Date": None})
