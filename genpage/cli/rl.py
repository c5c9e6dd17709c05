"""``genpage train rl``: Dr. GRPO against a reward model."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.command import Command
from genpage.staging import refuse_existing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from genpage.page import Page
    from training.rl.outcome import Line, Outcome
    from training.rl.run import ReinforcementRun
    from training.rl.sampled import Truth
    from training.visits import Visit


class RL(Command):
    """Reinforcement learning of whole pages, sampled through the serving grammar.

    On a simulated service the true reward of held-out visits is looked at on the way: the best
    weights are kept, and a policy that pleases the reward model while the truth falls is stopped. A
    run that was interrupted goes on where it was when it is started again with the same settings.
    """

    data: Path = Field(description="a folder in the data layout")
    out: Path = Field(description="the checkpoint to write")
    parent: Path = Field(alias="from", description="the policy and its reference")
    reward_model: Path = Field(description="what `genpage train reward-model` wrote")
    steps: int = Field(default=60, ge=1, description="updates")
    visits: int = Field(default=6, ge=1, description="requests a step")
    group: int = Field(default=8, ge=2, description="pages a request")
    rows: int = Field(default=4, ge=1, le=40, description="rows of a sampled page")
    entities_per_row: int = Field(default=20, ge=1, le=100, description="entities of a row")
    temperature: float = Field(default=0.5, gt=0, description="of sampling")
    lr: float = Field(default=3e-4, gt=0, description="learning rate")
    kl_target: float = Field(default=0.1, gt=0, description="divergence to keep near, nats a pick")
    credit: Literal["page", "onward"] = Field(
        default="onward", description="what a pick is paid: the page, or what follows it"
    )
    discount: float = Field(
        default=0.95, gt=0, le=1, description="of onward credit, a place further down"
    )
    to: str | None = Field(default=None, description="first day not to see; 2026-10-30")
    look_visits: int = Field(default=96, ge=2, description="held-out requests of a look")
    seed: int = Field(default=0, ge=0, description="of visits and samples")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")
    force: bool = Field(default=False, description="replace an existing checkpoint")

    def run(self) -> None:
        """Train and write the checkpoint."""
        import torch

        from model.checkpoint import Checkpoint
        from training.group import refuse_others
        from training.rl.run import ReinforcementRun
        from training.rl.settings import Settings
        from training.visits import PageSize

        refuse_others()
        refuse_existing(self.out, force=self.force)
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        console = Console(stderr=True)
        settings = Settings(
            steps=self.steps,
            visits=self.visits,
            group=self.group,
            size=PageSize(self.rows, self.entities_per_row),
            temperature=self.temperature,
            lr=self.lr,
            kl_target=self.kl_target,
            credit=self.credit,
            discount=self.discount,
            look_visits=self.look_visits,
            seed=self.seed,
        )
        with console.status(f"reading {self.data}"):
            run = ReinforcementRun(
                self.data,
                self.out,
                Checkpoint.load(self.parent),
                Checkpoint.load(self.reward_model),
                settings,
                truth=_judge(self.data),
                to=self.to,
            )
        outcome = self._watched(run, console)
        self.emit(_document(outcome), _table(outcome))

    def _watched(self, run: "ReinforcementRun", console: Console) -> "Outcome":
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("Dr. GRPO", total=self.steps, now="")

            def watch(line: "Line") -> None:
                true = "" if line.true is None else f"  true {line.true:.3f}"
                now = f"reward {line.reward:.3f}  kl {line.kl:.4f}{true}"
                progress.update(task, completed=line.step, now=now)

            return run.train(watch, force=self.force)


def _judge(data: Path) -> "Truth | None":
    """The simulated service's judge, where the folder holds its truth."""
    if not (data / "truth").is_dir():
        return None
    from simulation.judge import Judge, Showing

    judge = Judge.open(data)

    def judged(pages: "Sequence[Page]", visits: "Sequence[Visit]") -> "NDArray[np.float64]":
        return judge.rewards(
            [
                Showing(page, visit.request.user_id, visit.request.at, visit.request.device)
                for page, visit in zip(pages, visits, strict=True)
            ]
        )

    return judged


def _document(outcome: "Outcome") -> dict[str, object]:
    return {
        "version": outcome.version,
        "kept_step": outcome.kept,
        "ending": outcome.ending,
        "violations": sum(line.violations for line in outcome.lines),
        "looks": [
            {"step": look.step, "predicted": look.model.mean(), "true": look.truth.mean()}
            for look in outcome.looks
        ],
        "first": asdict(outcome.lines[0]),
        "last": asdict(outcome.lines[-1]),
        "seconds": sum(line.seconds for line in outcome.lines),
    }


def _table(outcome: "Outcome") -> Table:
    table = Table("", "first step", "last step", box=None)
    first, last = outcome.lines[0], outcome.lines[-1]
    for name in ("reward", "form", "spread", "kl", "beta", "entropy", "diversity"):
        table.add_row(name, f"{getattr(first, name):.4f}", f"{getattr(last, name):.4f}")
    table.add_row("rules broken", "", str(sum(line.violations for line in outcome.lines)))
    for look in outcome.looks:
        model, true = f"model {look.model.mean():.3f}", f"true {look.truth.mean():.3f}"
        table.add_row(f"look at {look.step}", model, true)
    table.add_row("ended by", outcome.ending, f"kept step {outcome.kept}")
    return table
