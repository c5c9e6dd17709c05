"""A study's page, data and plot: ``NAME.md``, ``NAME.json``, ``NAME.svg`` in one folder."""

import json
from pathlib import Path

from evaluation.studies.findings import Findings, Row
from evaluation.studies.plot import draw
from evaluation.studies.study import Study
from evaluation.studies.version import EVERYTHING, code_of
from genpage.staging import replacing, write_whole

FORMATS = ("md", "json", "svg")


def publish(study: Study, findings: Findings, folder: Path, command: str) -> dict[str, object]:
    """Write all three, each whole or not at all; the JSON document is returned."""
    document: dict[str, object] = {
        "study": study.name,
        "rows": [row.document() for row in findings.rows],
        "simulated": findings.simulated,
        "command": command,
    }
    with replacing(folder / f"{study.name}.svg") as unfinished:
        draw(findings.plotted, findings.axes, study.title, unfinished)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / f"{study.name}.json", text.encode())
    page = markdown(study, findings, command)
    write_whole(folder / f"{study.name}.md", page.encode())
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
