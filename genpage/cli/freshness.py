"""``genpage evaluate freshness``."""

from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.table import Table

from genpage.cli.command import Command
from genpage.cli.train_daily import end_of_days


class Freshness(Command):
    """A model that is updated daily beside one that is not; and what the first one forgets."""

    data: Path = Field(description="the data folder whose days are gone through")
    checkpoint: Path = Field(description="the model that both begin as")
    last: str | None = Field(
        default=None, alias="to", description="the day after the last; by default 14 days"
    )
    seed: int = Field(default=0, ge=0, description="of order and drop-out")

    def run(self) -> None:
        """Go through the days, and print both curves."""
        from dataset.day import day_of, day_start
        from dataset.folder import DataFolder
        from evaluation.freshness import document, freshness
        from genpage.catalog import SECONDS_A_DAY
        from model.checkpoint import Checkpoint
        from training.cadence import Cadence
        from training.continuing import objective_of
        from training.updates import Updates

        folder, checkpoint = DataFolder(self.data), Checkpoint.load(self.checkpoint)
        console = Console(stderr=True)
        with console.status(f"reading {self.data}"):
            fresh = Updates(folder, checkpoint, objective_of(checkpoint), seed=self.seed)
            stale = Updates(folder, checkpoint, None, seed=self.seed)
        end = end_of_days(folder, self.last)
        last = self.last or min(end, day_of(day_start(fresh.until) + 14 * SECONDS_A_DAY))
        table = Table("day", "stale for", "HR@10 fresh", "HR@10 stale", "1, 7, 14 days before")
        days = []
        for found in freshness(fresh, stale, last, Cadence()):
            days.append(document(found))
            table.add_row(
                found.day,
                str(found.age),
                _share(found.fresh.hr10),
                _share(found.stale.hr10),
                "  ".join(_share(older.hr10) for older in found.older.values()),
            )
            console.print(f"{found.day}: {_share(found.fresh.hr10)} {_share(found.stale.hr10)}")
        self.emit({"days": days}, table)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
