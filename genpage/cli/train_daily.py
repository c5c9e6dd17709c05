"""``genpage train histories`` and ``genpage train daily``: what keeps a model fresh."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.command import Command
from genpage.cli.fresh import ContentBy, Serialised
from genpage.errors import DatasetError, UsageError
from genpage.staging import refuse_existing
from model.config import Size

if TYPE_CHECKING:
    from dataset.folder import DataFolder
    from model.checkpoint import Checkpoint
    from training.updates import Update


class Histories(Command):
    """Ask for the next title after every event of members' histories, with pages beside.

    The densest supervision that a log of events has; what next-item quality comes from. A run that
    was interrupted goes on where it was when it is started again with the same settings.
    """

    data: Path = Field(description="a folder in the data layout")
    out: Path = Field(description="the checkpoint to write")
    parent: Path | None = Field(
        default=None, alias="from", description="the checkpoint to go on from"
    )
    size: Size | None = Field(default=None, description="of a fresh model; tiny by default")
    first: str | None = Field(default=None, description="first day whose events are asked about")
    to: str | None = Field(default=None, description="first day not to train on; 2013-09-03")
    passes: int = Field(default=1, ge=1, description="over all questions")
    lr: float = Field(default=3e-3, gt=0, description="peak learning rate")
    questions: int = Field(default=256, ge=1, description="questions a batch")
    pages: int = Field(default=0, ge=0, description="pages trained on beside, the newest")
    history_tokens: int | None = Field(default=None, description="of history; 256 by default")
    serialised: Serialised = None
    content: ContentBy = None
    seed: int = Field(default=0, ge=0, description="of weights, order and drop-out")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")
    force: bool = Field(default=False, description="replace an existing checkpoint")

    def run(self) -> None:
        """Train and write the checkpoint."""
        from dataclasses import asdict

        import torch

        from dataset.day import day_of, day_start
        from dataset.folder import DataFolder
        from genpage.catalog import SECONDS_A_DAY
        from training.cadence import Cadence
        from training.continuing import objective_of
        from training.group import refuse_others
        from training.partial import PartialRun
        from training.updates import Updates

        refuse_others()
        refuse_existing(self.out, force=self.force)
        cadence = Cadence(
            lr=self.lr, passes=self.passes, questions=self.questions, pages=self.pages
        )
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        folder = DataFolder(self.data)
        to = end_of_days(folder, self.to)
        first = self.first or folder.days()[0]
        if day_start(first) >= day_start(to):
            raise UsageError(f"--first {first} must be a day before --to {to}")
        console = Console(stderr=True)
        with console.status(f"reading {self.data}"):
            parent = self._parent(folder)
            # What a post-trained model goes on with: its rewards are not to be unlearnt.
            updates = Updates(folder, parent, objective_of(parent), seed=self.seed)
        partial = PartialRun(
            self.out,
            {
                "cadence": asdict(cadence),
                "days": [first, to],
                "data": folder.digest(day_of(day_start(to) - SECONDS_A_DAY)),
                **updates.settings(),
                **({"content": self.content} if self.content else {}),
            },
        )
        if self.force:
            partial.discard()
        columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
        with Progress(*columns, TextColumn("{task.fields[now]}"), console=console) as progress:
            task = progress.add_task("histories", total=1.0, now="")

            def watch(share: float, nats: float) -> None:
                progress.update(task, completed=share, now=f"loss {nats:.3f}")

            update = updates.pass_over(first, to, cadence, watch, partial)
        checkpoint = updates.checkpoint()
        checkpoint.save(self.out)
        partial.discard()
        self.emit(document(checkpoint, update), table(checkpoint, update))

    def _parent(self, folder: "DataFolder") -> "Checkpoint":
        from genpage.rules import Rules
        from model.checkpoint import Checkpoint
        from training.start import (
            asked_serialised,
            bounded_history,
            check_content,
            check_history,
            check_serialised,
            check_size,
            fresh_checkpoint,
        )

        if self.parent is not None:
            parent = Checkpoint.load(self.parent)
            check_size(parent, self.size)
            check_history(parent, self.history_tokens)
            check_content(self.content)
            check_serialised(parent, self.serialised)
            return parent
        return fresh_checkpoint(
            folder.catalog(),
            self.size or "tiny",
            rules=Rules.default(),
            seed=self.seed,
            history_tokens=bounded_history(self.history_tokens or 256),
            serialised=asked_serialised(self.serialised, fresh=True),
            content_by=self.content,
        )


class Daily(Command):
    """Go on from yesterday's checkpoint with a finished day and a sample of the past.

    The day's slice is judged before it is trained on. What is written depends on the parent, the
    data up to the day's end, the flags and the seed alone: a run that was killed is started again.
    """

    data: Path = Field(description="a folder in the data layout")
    parent: Path = Field(alias="from", description="yesterday's checkpoint")
    day: str = Field(description="the finished day to train on; 2013-09-03")
    out: Path = Field(description="the checkpoint to write")
    lr: float | None = Field(default=None, gt=0, description="peak learning rate")
    days: int | None = Field(default=None, ge=1, description="newest days that count whole")
    past: float | None = Field(default=None, ge=0, description="share of questions of before them")
    pages: int | None = Field(
        default=None, ge=0, description="about so many pages trained on, the day's and past ones"
    )
    seed: int = Field(default=0, ge=0, description="of order and drop-out")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")
    force: bool = Field(default=False, description="replace an existing checkpoint")

    def run(self) -> None:
        """Judge, train, write the checkpoint."""
        import torch

        from dataset.day import day_of, day_start
        from dataset.folder import DataFolder
        from genpage.catalog import SECONDS_A_DAY
        from model.checkpoint import Checkpoint
        from training.cadence import Cadence
        from training.continuing import objective_of
        from training.group import refuse_others
        from training.updates import Updates

        refuse_others()
        refuse_existing(self.out, force=self.force)
        asked = {"lr": self.lr, "days": self.days, "past": self.past, "pages": self.pages}
        cadence = Cadence(**{k: v for k, v in asked.items() if v is not None})  # type: ignore[arg-type]
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        folder = DataFolder(self.data)
        after = day_of(day_start(self.day) + SECONDS_A_DAY)
        end_of_days(folder, after, said=f"--day {self.day}")
        console = Console(stderr=True)
        with console.status(f"training on {self.day}"):
            parent = Checkpoint.load(self.parent)
            updates = Updates(folder, parent, objective_of(parent), seed=self.seed)
            update = updates.day(self.day, cadence)
            checkpoint = updates.checkpoint()
            checkpoint.save(self.out)
        self.emit(document(checkpoint, update), table(checkpoint, update))


def end_of_days(folder: "DataFolder", to: str | None, *, said: str | None = None) -> str:
    """The day after the last one to go through: ``to``, by default the data's end.

    `UsageError` past the data, where a model would be held to have seen what has not come;
    ``said`` is what the person wrote.
    """
    from dataset.day import day_of, day_start
    from genpage.catalog import SECONDS_A_DAY

    days = folder.days()
    if not days:
        raise DatasetError(f"{folder.path} has no day of events or impressions")
    end = day_start(days[-1]) + SECONDS_A_DAY
    if to is not None and day_start(to) > end:
        raise UsageError(
            f"{said or f'--to {to}'}: the data ends with {days[-1]}; what comes later is not known"
        )
    return to or day_of(end)


def document(checkpoint: "Checkpoint", update: "Update") -> dict[str, object]:
    """What came of an update, as JSON."""
    before = update.before
    return {
        "version": checkpoint.lineage.version,
        "parent": checkpoint.lineage.parent,
        "days": [update.first, update.last],
        "questions": update.questions,
        "pages": update.pages,
        "steps": update.steps,
        "nats": update.nats,
        "new_titles": update.new_titles,
        "seconds": update.seconds,
        "before": None
        if before is None
        else {
            "questions": before.questions,
            "nats": before.nats,
            "hr@10": before.hr10,
            "ndcg@10": before.ndcg10,
        },
    }


def table(checkpoint: "Checkpoint", update: "Update") -> Table:
    """The same for people."""
    found = Table("", "", box=None, show_header=False)
    found.add_row("checkpoint", checkpoint.lineage.version)
    before = update.before
    if before is not None and before.hr10 is not None and before.nats is not None:
        found.add_row(
            f"{update.last}, before training on it",
            f"HR@10 {before.hr10:.3f}, {before.nats:.3f} nats, {before.questions} questions",
        )
    nats = "-" if update.nats is None else f"{update.nats:.3f} nats"
    found.add_row(
        "trained",
        f"{update.questions:,} questions of {update.first} to {update.last}, {update.pages} pages, "
        f"{update.steps} steps in {update.seconds:.0f} s; {nats}",
    )
    found.add_row("new titles", str(update.new_titles))
    return found
