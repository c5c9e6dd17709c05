"""``genpage evaluate cold-start``."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.table import Table

from genpage.cli.command import Command
from genpage.errors import UsageError

if TYPE_CHECKING:
    from evaluation.cold_start import ColdStart


class ColdStartCommand(Command):
    """Day-zero quality: titles that nobody had before the checkpoint's training ended.

    Beside the popularity of their genres, and their content's nearness to what the member had.
    """

    data: Path = Field(description="the data folder whose events are asked about")
    checkpoint: Path = Field(description="the model, trained on days before --from")
    first: str | None = Field(
        default=None, alias="from", description="the first day; by default 28 days before --to"
    )
    last: str | None = Field(
        default=None, alias="to", description="the day after the last; by default the data's end"
    )
    seed: int = Field(default=0, ge=0, description="of the bootstrap behind the intervals")

    def run(self) -> None:
        """Rank, and print the metrics."""
        from dataset.day import day_start
        from dataset.folder import DataFolder
        from evaluation.cold_start import cold_start
        from evaluation.source import Period, Source
        from model.checkpoint import Checkpoint

        folder = DataFolder(self.data)
        period = Period.of(folder, self.first, self.last)
        checkpoint = Checkpoint.load(self.checkpoint)
        days = checkpoint.lineage.trained_on
        if days is None or days.until > period.first:
            raise UsageError(
                "cold start asks about days after training: give a checkpoint that says which days "
                f"it was trained on, all of them before --from {period.first}"
            )
        source = Source.read(folder, period.last)
        found = cold_start(source, checkpoint, period, day_start(days.until), seed=self.seed)
        document = {"from": period.first, "to": period.last, "trained_on": days.document()}
        self.emit(document | found.document(), _table(found))


def _table(found: "ColdStart") -> Table:
    table = Table("ranker", "n", "HR@10", "95%", "NDCG@10", title=f"{found.titles} unseen titles")
    for name, each in found.reports.items():
        means, intervals = each.overall.means, each.overall.intervals
        if means is not None and intervals is not None:
            low, high = intervals[0]
            cells = f"{means[0]:.3f}", f"{low:.3f}-{high:.3f}", f"{means[1]:.3f}"
            table.add_row(name, str(each.overall.n), *cells)
    return table
