"""``genpage evaluate next-item``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from genpage.cli.command import Command
from genpage.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataset.folder import DataFolder
    from evaluation.asked import Asked
    from evaluation.daily import DailyRanker
    from evaluation.metrics import Report, Summary
    from evaluation.source import Period
    from genpage.catalog import Catalog


class NextItem(Command):
    """Rank members' next titles: HR@10 and NDCG@10, beside baselines counted in the same run.

    Without a checkpoint or a bundle, the baselines alone.
    """

    data: Path = Field(description="the data folder whose events are asked about")
    checkpoint: Path | None = Field(default=None, description="the model, as PyTorch runs it")
    bundle: Path | None = Field(default=None, description="the model, as it is served")
    first: str | None = Field(
        default=None, alias="from", description="the first day; by default 28 days before --to"
    )
    last: str | None = Field(
        default=None, alias="to", description="the day after the last; by default the data's end"
    )
    multistage: bool | None = Field(
        default=None,
        description="rank by the multi-stage pipeline too, learnt anew every day; as --daily is",
    )
    daily: bool = Field(
        default=False,
        description="the checkpoint trains on each finished day before the next is asked about",
    )
    without_ids: bool = Field(
        default=False,
        description="the checkpoint knows every title by its content alone; what ID dropout is for",
    )
    seed: int = Field(default=0, ge=0, description="of the bootstrap behind the intervals")

    def run(self) -> None:
        """Rank every event of the period, and print the metrics."""
        if self.checkpoint is not None and self.bundle is not None:
            raise UsageError("--checkpoint and --bundle are two ways to run a model; give one")
        from dataset.folder import DataFolder
        from evaluation.next_item import next_item, steps
        from evaluation.source import Period, Source
        from evaluation.targets import targets_between

        folder = DataFolder(self.data)
        period = Period.of(folder, self.first, self.last)
        source = Source.read(folder, period.last)
        targets = targets_between(source.log, period.start, period.end)
        if self.daily and self.checkpoint is None:
            raise UsageError("--daily trains a model on the way: give its --checkpoint")
        if self.without_ids and (self.daily or self.checkpoint is None):
            raise UsageError("--without-ids asks a --checkpoint as it is, without --daily")
        asked = self._model(source.catalog)
        ranker = self._daily(folder, period) if self.daily else None
        scorer = None if asked is None else asked.scorer
        warning = None if asked is None else asked.warning(period)
        if warning is not None:
            sys.stderr.write(f"warning: {warning}\n")
        multistage = self.daily if self.multistage is None else self.multistage
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
            total = steps(targets, with_model=scorer is not None, multistage=multistage)
            task = progress.add_task("ranking", total=total)
            found = next_item(
                source,
                targets,
                scorer,
                ranker=ranker,
                multistage=multistage,
                seed=self.seed,
                progress=lambda done: progress.advance(task, done),
            )
        rankers = ({} if found.model is None else {"model": found.model}) | dict(found.baselines)
        title = f"{len(targets)} events, {period.first} to {period.last} (exclusive)"
        days = None if asked is None else asked.trained_on
        document = found.document() | {
            "from": period.first,
            "to": period.last,
            "trained_on": None if days is None else days.document(),
            "seen": warning is not None,
            "daily": self.daily,
            "without_ids": self.without_ids,
        }
        self.emit(document, _table(title, rankers))

    def _daily(self, folder: "DataFolder", period: "Period") -> "DailyRanker":
        from evaluation.daily import DailyRanker
        from model.checkpoint import Checkpoint
        from training.cadence import Cadence
        from training.continuing import objective_of
        from training.updates import Update, Updates

        def told(update: "Update") -> None:
            nats = "-" if update.nats is None else f"{update.nats:.3f} nats"
            sys.stderr.write(
                f"{update.last}: trained on {update.questions} questions and {update.pages} pages, "
                f"{nats}, {update.seconds:.0f} s\n"
            )

        if self.checkpoint is None:
            raise RuntimeError("days are trained on without a checkpoint. This is a bug.")
        checkpoint = Checkpoint.load(self.checkpoint)
        updates = Updates(folder, checkpoint, objective_of(checkpoint))
        return DailyRanker(updates, period, Cadence(), told)

    def _model(self, catalog: "Catalog") -> "Asked | None":
        from evaluation.asked import Asked

        if self.bundle is not None:
            from evaluation.bundle_scorer import BundleScorer
            from genpage.trends import Trends
            from model.trained_on import MADE_WITH, TrainedOn
            from runtime.model import LoadedModel, LoadSettings

            model = LoadedModel.load(self.bundle, LoadSettings(slots=1))
            interval = model.manifest.made_with.get(MADE_WITH)
            return Asked(
                BundleScorer(model.with_catalog(catalog, Trends.none(catalog))),
                None if interval is None else TrainedOn.parse(interval),
            )
        if self.checkpoint is not None:
            from evaluation.checkpoint_scorer import CheckpointScorer
            from evaluation.cold_start import without_ids
            from model.checkpoint import Checkpoint

            checkpoint = Checkpoint.load(self.checkpoint)
            if self.without_ids:
                checkpoint = without_ids(checkpoint)
            return Asked(CheckpointScorer(checkpoint, catalog), checkpoint.lineage.trained_on)
        return None


def _table(title: str, rankers: "Mapping[str, Report]") -> Table:
    columns = ("over", "n", "HR@10", "95%", "NDCG@10", "95%")
    table = Table(Column("ranker", no_wrap=True), *columns, title=title, box=SIMPLE_HEAD)
    for name, report in rankers.items():
        table.add_section()
        table.add_row(name, "events", *_cells(report.overall))
        table.add_row("", "rested", *_cells(report.rested))
        table.add_row("", "users", *_cells(report.by_user))
    return table


def _cells(summary: "Summary") -> tuple[str, ...]:
    if summary.means is None or summary.intervals is None:
        return "0", "-", "-", "-", "-"
    metrics = zip(summary.means, summary.intervals, strict=True)
    pairs = ((f"{mean:.3f}", f"{low:.3f}-{high:.3f}") for mean, (low, high) in metrics)
    return str(summary.n), *(cell for pair in pairs for cell in pair)
