"""``genpage evaluate reward``: what models' pages are truly worth, on a simulated service."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.console import Console
from rich.progress import track
from rich.table import Table

from genpage.cli.command import Command
from genpage.errors import DatasetError, UsageError, WrongPagesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.intervals import Estimate


# What the pipeline is called beside checkpoints.
MULTISTAGE = "multistage"


class EvaluateReward(Command):
    """The true expected reward of checkpoints' pages for the same visits, with intervals.

    Pages are greedy, as served. The first checkpoint is what the others are compared with; give
    them in the order of the recipe: pretrained, WBC, RL. With --multistage all are compared with
    the multi-stage pipeline, learnt from what lies before the day.
    """

    checkpoints: CliPositionalArg[list[Path]] = Field(description="the checkpoints to compare")
    data: Path = Field(description="a folder that `genpage simulate` wrote")
    day: str | None = Field(default=None, description="whose visits; by default the last day")
    visits: int = Field(default=500, ge=2, description="how many of them")
    rows: int = Field(default=10, ge=1, le=40, description="rows of a page")
    entities_per_row: int = Field(default=20, ge=1, le=100, description="entities of a row")
    autoregressive: int = Field(default=4, ge=1, description="entities a row decodes one by one")
    multistage: bool = Field(default=False, description="compare with the pipeline's pages")
    seed: int = Field(default=0, ge=0, description="of the visits and the bootstrap")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")

    def run(self) -> None:
        """Print each one's reward, and what it gains on the first and on the one before."""
        import torch

        from dataset.folder import DataFolder
        from evaluation.intervals import mean_of, uplift_of
        from evaluation.true_reward import judge_checkpoint, judge_pipeline
        from evaluation.unseen import refuse_seen
        from model.checkpoint import Checkpoint
        from training.visits import PageSize

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if not self.checkpoints:
            raise UsageError("name at least one checkpoint")
        days = DataFolder(self.data).days()
        if not days:
            raise DatasetError(f"{self.data} has no days")
        day = self.day or days[-1]
        loaded = [(str(path), Checkpoint.load(path)) for path in self.checkpoints]
        for name, checkpoint in loaded:
            seen = checkpoint.lineage.trained_on
            refuse_seen(None if seen is None else seen.until, day, "--day", name)
        size = PageSize(self.rows, self.entities_per_row)
        found = []
        if self.multistage:
            _, first = loaded[0]
            judged = judge_pipeline(
                self.data, first, day, count=self.visits, size=size, seed=self.seed
            )
            found.append((MULTISTAGE, judged))
        for name, checkpoint in track(
            loaded, "judging", console=Console(stderr=True), transient=True
        ):
            judged = judge_checkpoint(
                self.data,
                checkpoint,
                [day],
                count=self.visits,
                size=size,
                autoregressive=self.autoregressive,
                seed=self.seed,
            )
            found.append((name, judged))
        first_of_all = found[0][1]
        members = first_of_all.members
        lines = [
            _Line(
                name,
                judged.violations,
                mean_of(judged.rewards, members, seed=self.seed),
                uplift_of(judged.rewards, first_of_all.rewards, members, seed=self.seed),
                uplift_of(judged.rewards, found[max(0, n - 1)][1].rewards, members, seed=self.seed),
                judged.learnt_from,
            )
            for n, (name, judged) in enumerate(found)
        ]
        document = {
            "day": day,
            "visits": len(members),
            "simulated": True,
            "models": [line.document() for line in lines],
        }
        self.emit(document, _table(lines, f"{len(members)} visits of {day}"))
        if broken := sum(line.violations for line in lines):
            raise WrongPagesError(f"the pages break {broken} rules. This is a bug.")


@dataclass(frozen=True, slots=True)
class _Line:
    """A checkpoint's reward, and by what share it is above the first one's and the previous one's.

    0 for the first one itself. ``learnt_from``: pages that the pipeline learnt from.
    """

    name: str
    violations: int
    reward: "Estimate"
    over_first: "Estimate"
    over_previous: "Estimate"
    learnt_from: int | None

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "checkpoint": self.name,
            "true_reward": self.reward.document(),
            "over_first": self.over_first.document(),
            "over_previous": self.over_previous.document(),
            "violations": self.violations,
            **({} if self.learnt_from is None else {"pages_learnt_from": self.learnt_from}),
        }


def _table(lines: "Sequence[_Line]", title: str) -> Table:
    table = Table(
        "checkpoint",
        "true reward a page",
        "over the first",
        "over the one before",
        title=f"{title}; 95% intervals over members; simulated",
        caption="; ".join(
            f"{line.name} learnt from {line.learnt_from:,} pages"
            for line in lines
            if line.learnt_from is not None
        ),
    )
    for line in lines:
        share = f"{line.reward.value:.4f} ({line.reward.low:.4f} to {line.reward.high:.4f})"
        table.add_row(line.name, share, _shown(line.over_first), _shown(line.over_previous))
    return table


def _shown(estimate: "Estimate") -> str:
    return f"{estimate.value:+.1%} ({estimate.low:+.1%} to {estimate.high:+.1%})"
