"""``genpage import movietweetings``."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from genpage.cli.command import Command
from genpage.errors import UsageError
from genpage.event import Event

if TYPE_CHECKING:
    from simulation.replay_table import Seat
from genpage.staging import refuse_existing


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

        named = os.environ.get("GENPAGE_REAL_DATA")
        if self.source is None and not named:
            raise UsageError("--source: name the folder with the MovieTweetings files")
        imported = read_movietweetings(Path(named or "") if self.source is None else self.source)
        catalog = Catalog.build(imported.entities, imported.rows)
        with (
            Progress(console=Console(stderr=True), transient=True) as progress,
            new_folder(self.out, force=self.force) as folder,
        ):
            folder.entities(imported.entities)
            folder.rows(imported.rows)
            profiles = {
                name: [
                    getattr(p, "ts" if name == "created_at" else name) for p in imported.profiles
                ]
                for name in PROFILES.schema
            }
            folder.profiles(pl.DataFrame(profiles, schema=PROFILES.schema))
            task = progress.add_task("simulating pages", total=self.pages)
            pages = replay(
                catalog,
                imported.events,
                pages=self.pages,
                seed=self.seed,
                progress=lambda: progress.advance(task),
            )
            replayed = {one.day: one for one in pages}
            seats = {key: seat for one in replayed.values() for key, seat in one.seats.items()}
            acts = [_seated(event, seats.get(event.event_id)) for event in imported.events]
            events = pl.DataFrame(
                {name: [getattr(event, name) for event in acts] for name in EVENTS.schema},
                schema=EVENTS.schema,
            )
            of_day = events.with_columns(day=pl.Series([day_of(event.ts) for event in acts]))
            days = {str(day[0]): frame.drop("day") for day, frame in of_day.group_by("day")}
            for day in sorted(days.keys() | replayed.keys()):
                folder.events(day, days.get(day, events.clear()).sort("ts"))
                shown = replayed[day].impressions if day in replayed else None
                folder.impressions(
                    day, pl.DataFrame(schema=IMPRESSIONS.schema) if shown is None else shown
                )
        document = {
            "entities": len(imported.entities),
            "rows": len(imported.rows),
            "members": len(imported.profiles),
            "events": len(imported.events),
            "impressions_simulated": sum(len(one.impressions) for one in replayed.values()),
            "acts_on_pages": len(seats),
            "acts_without_a_seat": sum(one.unseated for one in replayed.values()),
            "pages_skipped_for_want_of_titles": sum(one.skipped for one in replayed.values()),
            "dropped": imported.dropped.counts,
        }
        self.emit(document, _table(document, imported.dropped.examples, self.out))


def _seated(event: Event, seat: "Seat | None") -> Event:
    """The event with its place on a page, where it has one."""
    if seat is None:
        return event
    return replace(
        event,
        page_id=seat.page_id,
        row_id=seat.row_id,
        row_pos=seat.row_pos,
        col_pos=seat.col_pos,
    )


def _table(document: dict[str, object], examples: dict[str, list[str]], out: Path) -> Table:
    table = Table("what", "count", "first lines", title=f"imported to {out}")
    for name, value in document.items():
        if isinstance(value, dict):
            for reason, count in value.items():
                table.add_row(f"dropped: {reason}", str(count), ", ".join(examples[reason]))
        else:
            table.add_row(name.replace("_", " "), str(value), "")
    return table
