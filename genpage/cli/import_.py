"""``genpage import movietweetings``."""

import os
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from genpage.cli.command import Command, refuse_existing
from genpage.errors import UsageError


class ImportMovieTweetings(Command):
    """Import MovieTweetings: real events and titles; pages are simulated over them and say so."""

    source: Path | None = Field(
        default=None, description="folder of the source's files; GENPAGE_REAL_DATA by default"
    )
    out: Path = Field(description="the data folder to write")
    pages: int = Field(default=12_000, ge=0, description="pages to simulate over the events")
    seed: int = Field(default=0, ge=0, description="of the simulated pages")
    force: bool = Field(default=False, description="replace what --out names")

    def run(self) -> None:
        """Check every line, write the folder, and print what was dropped and why."""
        refuse_existing(self.out, force=self.force)
        import polars as pl

        from dataset.day import day_of
        from dataset.movietweetings import read_movietweetings
        from dataset.schema import EVENTS, IMPRESSIONS, PROFILES
        from dataset.write import new_folder
        from genpage.catalog import Catalog
        from simulation.replay import replay

        source = self.source or Path(os.environ.get("GENPAGE_REAL_DATA", ""))
        if source == Path():
            raise UsageError("--source: name the folder with the MovieTweetings files")
        imported = read_movietweetings(source)
        catalog = Catalog.build(imported.entities, imported.rows)
        impressions = 0
        with (
            Progress(console=Console(stderr=True), transient=True) as progress,
            new_folder(self.out, force=self.force) as folder,
        ):
            folder.entities(imported.entities)
            folder.rows(imported.rows)
            profiles = [
                {name: getattr(profile, name, profile.ts) for name in PROFILES.schema}
                for profile in imported.profiles
            ]
            folder.profiles(pl.DataFrame(profiles, schema=PROFILES.schema))
            events = pl.DataFrame(
                [{name: getattr(e, name) for name in EVENTS.schema} for e in imported.events],
                schema=EVENTS.schema,
            ).with_columns(pl.col("ts").map_elements(day_of, pl.String).alias("day"))
            days = {str(day[0]): frame.drop("day") for day, frame in events.group_by("day")}
            task = progress.add_task("simulating pages", total=self.pages)
            pages = replay(
                catalog,
                imported.events,
                pages=self.pages,
                seed=self.seed,
                progress=lambda: progress.advance(task),
            )
            made = dict(pages)
            for day in sorted(days.keys() | made.keys()):
                folder.events(day, days.get(day, pl.DataFrame(schema=EVENTS.schema)).sort("ts"))
                shown = made.get(day, pl.DataFrame(schema=IMPRESSIONS.schema))
                folder.impressions(day, shown)
                impressions += len(shown)
        document = {
            "entities": len(imported.entities),
            "rows": len(imported.rows),
            "members": len(imported.profiles),
            "events": len(imported.events),
            "impressions_simulated": impressions,
            "dropped": imported.dropped.counts,
        }
        self.emit(document, _table(document, imported.dropped.examples, self.out))


def _table(document: dict[str, object], examples: dict[str, list[str]], out: Path) -> Table:
    table = Table("what", "count", "first lines", title=f"imported to {out}")
    for name, value in document.items():
        if isinstance(value, dict):
            for reason, count in value.items():
                table.add_row(f"dropped: {reason}", str(count), ", ".join(examples[reason]))
        else:
            table.add_row(name.replace("_", " "), str(value), "")
    return table
