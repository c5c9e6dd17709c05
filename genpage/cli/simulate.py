"""``genpage simulate --out DIR``, and ``--from-pages``: its members on served pages."""

import asyncio
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.kafka import KafkaCommand
from genpage.errors import UsageError


class Simulate(KafkaCommand):
    """A synthetic service, seeded: catalog, members, events, pages with propensities, and truth.

    With --from-pages the members of such a service meet the pages that a server makes: what they do
    goes to the event log, marked as simulated.
    """

    out: Path | None = Field(default=None, description="the folder to write")
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
    from_pages: bool = Field(
        default=False, description="play the members of --data on the pages served at --kafka"
    )
    data: Path | None = Field(
        default=None, description="with --from-pages: a folder that simulate wrote"
    )
    until: str | None = Field(
        default=None, description="with --from-pages: end behind the pages served by then, or 'now'"
    )

    def run(self) -> None:
        """Simulate a service, or play its members."""
        if self.from_pages:
            self._play()
        elif self.out is None:
            raise UsageError("give --out, the folder to write; or --from-pages")
        else:
            self._simulate(self.out)

    def _play(self) -> None:
        import structlog

        from genpage.cli.collect import moment
        from simulation.players import Players
        from streaming.broker import Broker
        from streaming.playing import Playing

        if self.kafka is None or self.data is None:
            raise UsageError("--from-pages needs --kafka, the event log, and --data, the service")
        broker = Broker(self.kafka, security=self.security())
        log = structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr),
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        )
        playing = Playing(broker, Players.open(self.data, self.seed).react, log)
        until = moment(self.until)
        columns = (TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("waiting for the event log")

            def tell(played: int, events: int) -> None:
                progress.update(task, description=f"{played:,} pages met, {events:,} events")

            asyncio.run(playing.play(until, tell))
        counts = {"pages": playing.pages, "events": playing.events}
        table = Table("of", "count", title=f"{self.data}: its members met pages", box=None)
        for name, count in counts.items():
            table.add_row(name, f"{count:,}")
        self.emit(counts, table)

    def _simulate(self, out: Path) -> None:
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
            new_folder(out, force=self.force) as writer,
        ):
            task = progress.add_task("drawing the catalog", total=self.days)
            summary = simulate(
                settings,
                writer,
                progress=lambda day: progress.update(task, description=day, advance=1),
            )
        document = {"out": str(out), "seed": self.seed, **asdict(summary)}
        table = Table("of", "count", title=f"{out}: a simulated service", box=None)
        for name, count in asdict(summary).items():
            table.add_row(name, f"{count:,}")
        self.emit(document, table)
