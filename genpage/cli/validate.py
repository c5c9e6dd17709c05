"""``genpage validate DIR``."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.console import Console, Group, RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from genpage.cli.command import Command
from genpage.errors import DatasetError

if TYPE_CHECKING:
    from dataset.report import Report


class Validate(Command):
    """Hold a data folder against the layout, and say line by line what is wrong with it."""

    data: CliPositionalArg[Path]
    limit: int = Field(
        default=20, ge=1, description="problems listed of each kind; all are counted"
    )

    def run(self) -> None:
        """Print the report; a folder with errors ends the command with exit code 1."""
        from dataset.validation import data_files, validate

        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("reading", total=data_files(self.data))

            def hear(file: str) -> None:
                progress.update(task, advance=1, description=file)

            report = validate(self.data, limit=self.limit, progress=hear)
        self.emit(report.document(), _shown(report))
        if not report.ok:
            count = report.counts.total()
            noun = "problem" if count == 1 else "problems"
            raise DatasetError(f"{self.data} breaks the data layout: {count} {noun}")


def _shown(report: "Report") -> RenderableType:
    lines = ", ".join(f"{count:,} {name}" for name, count in report.lines.items())
    head = Text(f"{report.path}: {lines} in {report.files} files")
    if not report.problems:
        return Group(head, Text("nothing is wrong"))
    table = Table("where", "value", "what is wrong", "kind", box=None, pad_edge=False)
    for problem in report.problems:
        style = "yellow" if problem.severity == "warning" else ""
        value = problem.value or ""
        table.add_row(*map(Text, (problem.place, value, problem.why, problem.kind)), style=style)
    counts = Table("kind", "count", "severity", box=None, pad_edge=False)
    for severity, counter in (("error", report.counts), ("warning", report.warnings)):
        for kind, count in counter.most_common():
            counts.add_row(kind, f"{count:,}", severity)
    return Group(head, Text(), table, Text(), counts)
