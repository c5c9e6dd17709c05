"""``genpage train pretrain|wbc|reward-model``: from a data folder to a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.command import Command
from genpage.cli.fresh import ContentBy, Serialised
from genpage.errors import UsageError
from genpage.staging import refuse_existing
from model.config import Size

if TYPE_CHECKING:
    from training.objective import Objective
    from training.options import Options
    from training.rewards.declaration import Rewards
    from training.run import Run
    from training.summary import Summary, Validation
    from training.trainer import Record

# How quickly the shown loss follows the newest step.
_FOLLOW = 0.1


class Training(Command):
    """What every training run on logged pages is asked for.

    A run that was interrupted goes on where it was when it is started again with the same settings.
    Started by `torchrun --nproc-per-node N -m genpage train ...`, N processes train together.
    """

    data: Path = Field(description="a folder in the data layout")
    out: Path = Field(description="the checkpoint to write")
    parent: Path | None = Field(
        default=None, alias="from", description="the checkpoint to go on from"
    )
    size: Size | None = Field(default=None, description="of a fresh model; tiny by default")
    steps: int | None = Field(default=None, ge=1, description="batches to train on")
    epochs: float | None = Field(default=None, gt=0, description="or passes over the pages")
    batch_tokens: int | None = Field(default=None, ge=256, description="tokens a batch")
    lr: float | None = Field(default=None, gt=0, description="peak learning rate")
    to: str | None = Field(default=None, description="first day not to train on; 2013-09-03")
    seed: int = Field(default=0, ge=0, description="of weights, order and drop-out")
    history_tokens: int | None = Field(
        default=None, description="of history in a prompt; 512 by default, or as --from has"
    )
    without: str | None = Field(
        default=None,
        description="sources of context that a fresh model does not read; trending,new",
    )
    serialised: Serialised = None
    content: ContentBy = None
    save_every: int = Field(default=50, ge=1, description="steps between saved states")
    shards: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="parts of the pages that torchrun's processes share; one each by default",
    )
    spread: Literal["ddp", "fsdp"] | None = Field(
        default=None, description="copy the model to every process, or cut it; by its size"
    )
    recompute: bool = Field(default=False, description="activations on the way back; less memory")
    compiled: bool = Field(
        default=False, alias="compile", description="torch.compile what works on each token alone"
    )
    rules: Path | None = Field(default=None, description="the page's rules; a TOML file")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")
    force: bool = Field(default=False, description="replace an existing checkpoint")

    def objective(self) -> "Objective":
        """What is trained for."""
        raise NotImplementedError  # pragma: no cover - each command has its own

    def run(self) -> None:
        """Train and write the checkpoint."""
        import torch

        from training.group import joined
        from training.run import Run

        refuse_existing(self.out, force=self.force)
        if self.steps is not None and self.epochs is not None:
            raise UsageError("give either --steps or --epochs, not both")
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        with joined() as group:
            console = Console(stderr=True, quiet=not group.leads)
            with console.status(f"reading {self.data}"):
                run = Run(self._options(), self.objective(), group)
            summary = self._watched(run, console)
        if group.leads:
            self.emit(_document(summary), _table(summary))

    def _options(self) -> "Options":
        from genpage.sources import Sources
        from training.options import Options
        from training.start import asked_serialised

        return Options(
            data=self.data,
            out=self.out,
            parent=self.parent,
            size=self.size,
            steps=self.steps,
            epochs=self.epochs,
            batch_tokens=self.batch_tokens,
            lr=self.lr,
            seed=self.seed,
            history_tokens=self.history_tokens,
            sources=None if self.without is None else Sources.without(self.without.split(",")),
            serialised=asked_serialised(self.serialised, fresh=self.parent is None),
            content=self.content,
            save_every=self.save_every,
            rules=self.rules,
            to=self.to,
            shards=self.shards,
            spread=self.spread,
            recompute=self.recompute,
            compiled=self.compiled,
            force=self.force,
        )

    def _watched(self, run: "Run", console: Console) -> "Summary":
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}"),
        )
        parameters = sum(p.numel() for p in run.network.parameters())
        console.print(
            f"{parameters / 1e6:.2f} M parameters on {run.device.type}; {run.pages:,} pages of "
            f"{run.days[0]} to {run.days[-1]}"
        )
        shown: float | None = None
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("training", total=1.0, now="")

            def watch(record: "Record") -> None:
                nonlocal shown
                shown = record.loss if shown is None else shown + _FOLLOW * (record.loss - shown)
                speed = record.tokens / record.seconds
                share = record.flops / record.seconds / run.peak_flops
                progress.update(
                    task,
                    completed=record.progress,
                    now=f"step {record.step}  loss {shown:.3f}  {speed:,.0f} tokens/s  "
                    f"{share:.0%} of matmul peak",
                )

            return run.train(watch)


class Pretrain(Training):
    """Next-token prediction of page tokens on impressions with positive feedback.

    A run that was interrupted goes on where it was when it is started again with the same settings.
    """

    def objective(self) -> "Objective":
        """Next-token prediction."""
        from training.pretrain import Pretraining

        return Pretraining()


class PostTraining(Training):
    """What a run on rewards is asked for beside."""

    rewards: Path | None = Field(default=None, description="what feedback is worth; a TOML file")

    def declared(self) -> "Rewards":
        """The rewards of --rewards; post-training goes on from a checkpoint."""
        from training.rewards.declaration import Rewards

        if self.parent is None:
            raise UsageError(
                "--from is missing: post-training goes on from a pretrained checkpoint"
            )
        return Rewards.default() if self.rewards is None else Rewards.load(self.rewards)


class WBC(PostTraining):
    """Weighted binary classification of impressed rows and titles: a logit becomes a value.

    A run that was interrupted goes on where it was when it is started again with the same settings.
    """

    negatives: int = Field(
        default=0, ge=0, le=1024, description="titles drawn a place as weak negatives; 0: none"
    )
    negative_weight: float = Field(
        default=0.02, ge=0, description="what those of one place weigh together"
    )
    appraised: int = Field(
        default=20_000,
        ge=0,
        description="newest pages that titles' appeal is learnt from first; 0: with sequences only",
    )
    restraint: float = Field(
        default=1.0, ge=0, description="what titles' squared logits cost beside that appeal"
    )

    def objective(self) -> "Objective":
        """The objective, with its switches."""
        from training.appraisal import Appraisal
        from training.wbc import Switches, WeightedClassification

        switches = Switches(
            self.negatives,
            self.negative_weight,
            appraisal=Appraisal(pages=self.appraised) if self.appraised else None,
            restraint=self.restraint,
        )
        return WeightedClassification(self.declared(), switches)


class RewardModelling(PostTraining):
    """A regression of pages' summed rewards; what `genpage train rl` steers by.

    Refused where it cannot tell good pages from bad ones on the held-out day. A run that was
    interrupted goes on where it was when it is started again with the same settings.
    """

    rows: int = Field(default=4, ge=1, le=40, description="rows of a page that are learnt from")

    def objective(self) -> "Objective":
        """The regression."""
        from training.reward_model import Regression, RewardModel

        return RewardModel(self.declared(), Regression(rows=self.rows))


def _document(summary: "Summary") -> dict[str, object]:
    return {
        "version": summary.version,
        "parameters": summary.parameters,
        "days": [summary.first_day, summary.last_day],
        "pages": summary.pages,
        "steps": summary.steps,
        "examples": summary.examples,
        "tokens": summary.tokens,
        "seconds": summary.seconds,
        "resumed_after": summary.resumed_after,
        "tokens_per_s": summary.speed.tokens_per_s,
        "flops_per_s": summary.speed.flops_per_s,
        "matmul_peak_flops_per_s": summary.speed.peak_flops,
        "flops_share": summary.speed.flops_share,
        "losses": summary.losses,
        "noticed": summary.noticed,
        "validation": _held_out(summary.judged.after),
        "validation_before": _held_out(summary.judged.before),
    }


def _held_out(found: "Validation | None") -> dict[str, object] | None:
    if found is None:
        return None
    return {
        "day": found.day,
        "pages": found.pages,
        "losses": found.losses,
        "guesses": found.guesses,
        "figures": found.figures,
    }


def _table(summary: "Summary") -> Table:
    table = Table("", "", box=None, show_header=False)
    table.add_row("checkpoint", summary.version)
    table.add_row(
        "trained",
        f"{summary.steps:,} steps, {summary.examples:,} pages, {summary.tokens:,} tokens in "
        f"{summary.seconds:.0f} s",
    )
    speed = summary.speed
    table.add_row(
        f"speed since step {summary.resumed_after}" if summary.resumed_after else "speed",
        f"{speed.tokens_per_s:,.0f} tokens/s; the model's {speed.flops_share:.0%} of this "
        f"machine's matmul peak of {speed.peak_flops / 1e9:,.0f} GFLOP/s",
    )
    if summary.noticed:
        found = ", ".join(f"{count:,} {name}" for name, count in summary.noticed.items())
        table.add_row("noticed in the data", found)
    table.add_row("loss", _nats(summary.losses))
    if summary.validation is not None:
        held_out, before = summary.validation, summary.judged.before
        table.add_row(f"held out {held_out.day}", _nats(held_out.losses))
        if held_out.figures:
            table.add_row("", _nats(held_out.figures))
        if before is not None:
            table.add_row("before this run", _nats(before.losses))
            if before.figures:
                table.add_row("", _nats(before.figures))
        table.add_row("a blind guess", _nats(held_out.guesses))
    return table


def _nats(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
