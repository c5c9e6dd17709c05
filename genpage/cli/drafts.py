"""``genpage train drafts``: a draft head for a checkpoint."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.command import Command
from genpage.staging import refuse_existing

if TYPE_CHECKING:
    from training.drafts.fit import Epoch
    from training.drafts.run import DraftFit, Fitted


class Drafts(Command):
    """A small head that foretells a page's next decisions, so that pages take fewer passes.

    The pages stay the same: what it foretells is verified. The weights are the parent's; a parent
    that has a draft head already has it fitted on, or left aside by --fresh.
    """

    data: Path = Field(description="a folder in the data layout")
    parent: Path = Field(alias="from", description="the checkpoint that makes the pages")
    out: Path = Field(description="the checkpoint to write")
    pages: int = Field(default=480, ge=1, description="logged requests whose pages are learnt from")
    epochs: int = Field(default=30, ge=1, description="passes over those pages")
    width: int | None = Field(
        default=None, ge=8, le=1024, description="of the head; 64, or as --from has"
    )
    depth: int = Field(
        default=6, ge=1, le=64, description="decisions behind the next one that are foretold"
    )
    rows: int = Field(default=10, ge=1, le=40, description="rows of a page")
    entities_per_row: int = Field(default=20, ge=1, le=100, description="entities of a row")
    autoregressive: int = Field(
        default=4, ge=1, le=100, description="titles of a row that pages decide one by one"
    )
    to: str | None = Field(
        default=None,
        description="first day not to read, the last one before it held out; by default the day "
        "after those that --from was trained on is held out, or the newest of all where "
        "--data has none",
    )
    lr: float = Field(default=3e-3, gt=0, le=1, description="peak learning rate")
    fresh: bool = Field(
        default=False, description="begin a new head where --from has one, instead of fitting it on"
    )
    seed: int = Field(default=0, ge=0, description="of the head, the pages and their order")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")
    force: bool = Field(default=False, description="replace an existing checkpoint")

    def run(self) -> None:
        """Make pages, fit, judge, write the checkpoint."""
        import torch

        from model.checkpoint import Checkpoint
        from training.drafts.run import DraftFit
        from training.drafts.settings import Settings
        from training.group import refuse_others
        from training.visits import PageSize

        refuse_others()
        refuse_existing(self.out, force=self.force)
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        settings = Settings(
            pages=self.pages,
            epochs=self.epochs,
            width=self.width,
            depth=self.depth,
            autoregressive=self.autoregressive,
            size=PageSize(self.rows, self.entities_per_row),
            lr=self.lr,
            seed=self.seed,
        )
        console = Console(stderr=True)
        with console.status(f"reading {self.data}"):
            parent = Checkpoint.load(self.parent)
            fit = DraftFit(self.data, parent, settings, to=self.to, fresh=self.fresh)
        if fit.seen is not None:
            console.print(
                f"--from was trained on the held-out day, {fit.seen}: how often drafts are "
                "right is told of a day that its weights have seen"
            )
        fitted = self._watched(fit, console)
        self.emit(
            {**_document(fitted), "held_out_seen": fit.seen is not None}, _table(fitted, self.depth)
        )

    def _watched(self, fit: "DraftFit", console: Console) -> "Fitted":
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
        )
        with Progress(*columns, console=console) as progress:
            making = progress.add_task("pages", total=fit.visits, now="")
            fitting = progress.add_task("epochs", total=self.epochs, now="")

            def made() -> None:
                progress.advance(making)

            def watch(epoch: "Epoch") -> None:
                progress.update(fitting, completed=epoch.number, now=f"loss {epoch.loss:.3f}")

            return fit.train(made, watch, self.out)


def _document(fitted: "Fitted") -> dict[str, object]:
    return {
        "version": fitted.version,
        "days": [fitted.first, fitted.last],
        "pages": fitted.pages,
        "loss": fitted.epochs[-1].loss,
        "held_out": fitted.held_out,
        "held_out_pages": fitted.hits.pages,
        "hits": fitted.hits.rate()[0],
        "hits_by_scores": fitted.hits.rate()[1],
        "hits_before": None if fitted.before is None else fitted.before.rate()[0],
        "rates": [asdict(rate) for rate in fitted.hits.rates],
        "seconds": fitted.seconds,
    }


def _table(fitted: "Fitted", depth: int) -> Table:
    depths = range(1, depth + 1)
    table = Table(
        "behind",
        *map(str, depths),
        "all",
        box=None,
        title=f"{fitted.version}, {fitted.pages} pages, {fitted.seconds:.0f} s: foretold right (by "
        f"the scores of where it began) on {fitted.hits.pages} pages of {fitted.held_out}",
    )
    hits = fitted.hits
    for number in (*hits.numbers, None):
        name = "all" if number is None else f"title {number}" if number else "row"
        found = [hits.rate(number, far) for far in (*depths, None)]
        table.add_row(name, *(_share(*each) for each in found))
    if fitted.before is not None:
        told = [fitted.before.rate(None, far) for far in (*depths, None)]
        table.add_row("before this fit", *(_share(*each) for each in told))
    return table


def _share(right: float, by_scores: float) -> str:
    return "-" if math.isnan(right) else f"{right:.2f} ({by_scores:.2f})"
