"""``genpage train pretrain``: from a data folder to a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from genpage.cli.command import Command
from genpage.errors import UsageError
from genpage.staging import refuse_existing
from model.config import Size

if TYPE_CHECKING:
    from training.run import Run, Summary
    from training.trainer import Record

# How quickly the shown loss follows the newest step.
_FOLLOW = 0.1


class Pretrain(Command):
    """Next-token prediction of page tokens on impressions with positive feedback.

    A run that was interrupted goes on where it was when it is started again with the same settings.
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
    save_every: int = Field(default=50, ge=1, description="steps between saved states")
    rules: Path | None = Field(default=None, description="the page's rules; a TOML file")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; all by default")
    force: bool = Field(default=False, description="replace an existing checkpoint")

    def run(self) -> None:
        """Train and write the checkpoint."""
        import torch

        from training.pretrain import Pretraining
        from training.run import Options, Run

        refuse_existing(self.out, force=self.force)
        if self.steps is not None and self.epochs is not None:
            raise UsageError("give either --steps or --epochs, not both")
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        console = Console(stderr=True)
        with console.status(f"reading {self.data}"):
            run = Run(
                Options(
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
                    save_every=self.save_every,
                    rules=self.rules,
                    to=self.to,
                    force=self.force,
                ),
                Pretraining(),
            )
        summary = self._watched(run, console)
        self.emit(_document(summary), _table(summary))

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
            task = progress.add_task("pretrain", total=1.0, now="")

            def watch(record: "Record") -> None:
                nonlocal shown
                shown = record.loss if shown is None else shown + _FOLLOW * (record.loss - shown)
                speed = record.tokens / record.seconds
                progress.update(
                    task,
                    completed=record.progress,
                    now=f"step {record.step}  loss {shown:.3f}  {speed:,.0f} tokens/s",
                )

            return run.train(watch)


def _document(summary: "Summary") -> dict[str, object]:
    held_out = summary.validation
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
        "validation": None
        if held_out is None
        else {
            "day": held_out.day,
            "pages": held_out.pages,
            "losses": held_out.losses,
            "guesses": held_out.guesses,
        },
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
    table.add_row("loss", _nats(summary.losses))
    if summary.validation is not None:
        held_out = summary.validation
        table.add_row(f"held out {held_out.day}", _nats(held_out.losses))
        table.add_row("a blind guess", _nats(held_out.guesses))
    return table


def _nats(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
