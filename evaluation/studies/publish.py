"""A study's page, data and plot: ``NAME.md``, ``NAME.json``, ``NAME.svg`` in one folder."""

import json
from collections.abc import Callable
from pathlib import Path

from evaluation.studies.findings import Findings, Row
from evaluation.studies.plot import draw
from evaluation.studies.study import Study
from evaluation.studies.version import EVERYTHING, code_of

FORMATS = ("md", "json", "svg")


def publish(study: Study, findings: Findings, folder: Path, command: str) -> dict[str, object]:
    """Write all three, each whole or not at all; the JSON document is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, object] = {
        "study": study.name,
        "rows": [row.document() for row in findings.rows],
        "simulated": findings.simulated,
        "command": command,
    }
    replaced(
        folder / f"{study.name}.svg",
        lambda path: draw(findings.plotted, findings.axes, study.title, path),
    )
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    replaced(folder / f"{study.name}.json", lambda path: _write(path, text))
    page = markdown(study, findings, command)
    replaced(folder / f"{study.name}.md", lambda path: _write(path, page))
    return document


def markdown(study: Study, findings: Findings, command: str) -> str:
    """The page."""
    series = any(row.series for row in findings.rows)
    header = "| | figure | 95% |" if not series else "| | of | figure | 95% |"
    lines = [
        f"# {study.title}",
        "",
        study.question,
        "",
        f"**Reported by the method's authors, on their data:** {study.reported}",
        "",
        f"**What was simulated:** {findings.simulated}",
        "",
        f"![{study.title}]({study.name}.svg)",
        "",
        header,
        "|---" * header.count(" |") + "|",
        *(_line(row, with_series=series) for row in findings.rows),
        "",
        findings.notes,
        "",
        f"Made by `{command}`, code {code_of(EVERYTHING)} (`evaluation/studies/version.py`).",
        f"The figures are in [{study.name}.json]({study.name}.json).",
        "",
    ]
    return "\n".join(lines)


def _line(row: Row, *, with_series: bool) -> str:
    interval = "" if row.ci95 is None else f"{row.ci95[0]:.4g} to {row.ci95[1]:.4g}"
    cells = [row.name, *([row.series] if with_series else []), f"{row.value:.4g}", interval]
    return f"| {' | '.join(cells)} |"


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def replaced(path: Path, write: Callable[[Path], None]) -> None:
    """Have a file written whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    write(unfinished)
    unfinished.replace(path)
