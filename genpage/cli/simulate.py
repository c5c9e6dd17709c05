"""``genpage simulate --out DIR``."""

from dataclasses import asdict
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.command import Command


class Simulate(Command):
    """A synthetic service, seeded: catalog, members, events, pages with propensities, and truth."""

    out: Path = Field(description="the folder to write")
    members: int = Field(default=2000, ge=1, le=1_000_000, description="members of the service")
    entities: int = Field(
        default=1500,
        ge=60,
        le=20_000,
        description="titles in the catalog; from about 1,400 it fills 14 rows of 20 for anybody",
    )
    days: int = Field(default=30, ge=1, le=1000, description="days to simulate")
    seed: int = Field(
        default=0, ge=0, description="names the service: the same seed, the same data"
    )
    force: bool = Field(default=False, description="replace an existing --out")

    def run(self) -> None:
        """Simulate and write the folder, whole or not at all."""
        from dataset.write import new_folder
        from simulation.service import simulate
        from simulation.settings import Settings

        settings = Settings(self.members, self.entities, self.days, self.seed)
        columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn())
        tail = (TextColumn("{task.description}"), TimeElapsedColumn())
        console = Console(stderr=True)
        with (
            Progress(*columns, *tail, console=console, transient=True) as progress,
            new_folder(self.out, force=self.force) as writer,
        ):
            task = progress.add_task("drawing the catalog", total=self.days)
            summary = simulate(
                settings,
                writer,
                progress=lambda day: progress.update(task, description=day, advance=1),
            )
        document = {"out": str(self.out), "seed": self.seed, **asdict(summary)}
        table = Table("of", "count", title=f"{self.out}: a simulated service", box=None)
        for name, count in asdict(summary).items():
            table.add_row(name, f"{count:,}")
        self.emit(document, table)
