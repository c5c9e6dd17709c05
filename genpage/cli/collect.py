"""``genpage collect``: served pages and what members did, off the event log, as training data."""

import asyncio
import re
import time
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.kafka import KafkaCommand
from genpage.errors import UsageError
from genpage.hold import held

if TYPE_CHECKING:
    from dataset.collected import CollectedFolder, Gathered, Written
    from genpage.catalog_changes import Change
    from streaming.broker import Broker
    from streaming.collecting import Collecting
    from streaming.days import GatheredDay

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_TICK_S: Final = 0.5


class Collect(KafkaCommand):
    """Join served pages and events into a day's impressions, each page once.

    Runs for ever, writing each day once the window behind it is over; with --until it ends, and
    writes the days that are not over as they are. Killed and begun again, it goes on.
    """

    out: Path = Field(description="the data folder to write days to; may exist")
    window: str = Field(
        default="24h", description="how long after a page an event may answer it: 90m, 24h, 2d"
    )
    until: str | None = Field(
        default=None, description="read what was written by then and end: 'now', or ISO 8601"
    )
    bundle: Path | None = Field(
        default=None,
        description="the bundle that made the pages: its titles and rows, where "
        "--out has none of them yet",
    )

    def run(self) -> None:
        """Collect."""
        from dataset.collected import CollectedFolder
        from streaming.broker import Broker

        if self.kafka is None:
            raise UsageError("collect needs --kafka, the event log")
        broker = Broker(self.kafka, security=self.security())
        window_s, until = seconds(self.window), moment(self.until)
        with held(self.out, "--out", "collect"):
            folder = CollectedFolder(self.out, window_s)
            folder.clear()
            if self.bundle is not None:
                folder.catalog(_bundled(self.bundle))
            written = asyncio.run(self._collect(folder, broker, window_s, until))
        table = Table("day", "pages", "impressions", "acted on", "events", box=None)
        for day in written:
            counts = (day.pages, day.impressions, day.acted, day.events)
            table.add_row(day.day, *(f"{count:,}" for count in counts))
        left_out = sum(day.left_out for day in written)
        if left_out:
            Console(stderr=True).print(
                f"{left_out:,} impressions are left out: no document tells of their titles or "
                "rows; give --bundle"
            )
        invalid = sum(day.invalid for day in written)
        if invalid:
            Console(stderr=True).print(
                f"{invalid:,} pages and events are left out: they are not as the layout has them"
            )
        impossible = sum(day.impossible for day in written)
        if impossible:
            Console(stderr=True).print(
                f"{impossible:,} pages are left out: a place of theirs has a propensity of 0, as "
                "nothing that was shown can have"
            )
        self.emit(
            {
                "out": str(self.out),
                "days": [day.day for day in written],
                "pages": sum(day.pages for day in written),
                "impressions": sum(day.impressions for day in written),
                "acted": sum(day.acted for day in written),
                "events": sum(day.events for day in written),
                "left_out": left_out,
                "invalid": invalid,
                "impossible": impossible,
            },
            table,
        )

    async def _collect(
        self, folder: "CollectedFolder", broker: "Broker", window_s: float, until: float | None
    ) -> list["Written"]:
        from streaming.collecting import Collecting
        from streaming.known import Known

        collecting = Collecting(broker, window_s)
        since = folder.since
        written: dict[str, Written] = {}
        columns = (TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            showing = asyncio.create_task(_show(progress, collecting))
            try:
                async with (
                    Known(broker) as known,
                    aclosing(collecting.rounds(since, until)) as rounds,
                ):
                    async for each in rounds:
                        news = await known.news()
                        folder.catalog(news.changes)
                        folder.profiles(news.profiles)
                        folder.erase(each.erased)
                        for day in each.days:
                            gathered = _gathered(day)
                            told = written[gathered.day] = folder.day(gathered)
                            progress.console.print(f"{told.day}: {told.pages:,} pages")
                        folder.reached(each.since)
            finally:
                showing.cancel()
                with suppress(asyncio.CancelledError):
                    await showing
        return list(written.values())


def seconds(text: str) -> float:
    """A duration as ``90m``; `UsageError` for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None or not float(found[1]):
        raise UsageError(f"--window: {text!r} is no duration; write it as 90m, 24h or 2d")
    return float(found[1]) * _UNITS[found[2]]


def moment(text: str | None) -> float | None:
    """``now`` or an ISO 8601 time (UTC where it names no zone) as Unix seconds."""
    if text is None:
        return None
    if text.strip() == "now":
        return time.time()
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"--until: {text!r} is no time; write 'now' or 2026-01-31T12:00:00Z"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _gathered(day: "GatheredDay") -> "Gathered":
    from dataset.collected import Gathered
    from dataset.day import day_of
    from genpage.catalog import SECONDS_A_DAY

    name = day_of(day.number * SECONDS_A_DAY)
    return Gathered(name, day.pages, day.events, day.simulated, day.following)


def _bundled(bundle: Path) -> list["Change"]:
    from genpage.documents import catalog_from_json

    try:
        catalog = catalog_from_json((bundle / "catalog.json").read_bytes())
    except OSError as error:
        raise UsageError(f"--bundle {bundle} has no readable catalog.json: {error}") from error
    return [*catalog.entities, *catalog.rows]


async def _show(progress: Progress, collecting: "Collecting") -> None:
    task = progress.add_task("reading")
    while True:
        read = collecting.progress
        progress.update(
            task,
            description=f"{read.pages:,} pages, {read.events:,} events, {read.poison:,} poison; "
            f"{read.behind:,} to read",
        )
        await asyncio.sleep(_TICK_S)
