"""``genpage export CKPT --out BUNDLE``."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from genpage.cli.command import Command
from genpage.errors import UsageError
from genpage.staging import refuse_existing

if TYPE_CHECKING:
    from runtime.manifest import Rounding

_DOING = {
    "trace": "tracing the network",
    "write": "writing tables",
    "judge": "comparing with PyTorch",
    "record": "recording golden pages",
    "try": "trying it on members beside float32",
    "load": "loading it as a server would",
}


class Export(Command):
    """Turn a checkpoint into a bundle: ONNX with a KV cache, judged against PyTorch."""

    checkpoint: CliPositionalArg[Path]
    out: Path = Field(description="the bundle's folder to write")
    precision: Literal["fp32", "int8", "fp16", "bf16"] = Field(
        default="int8",
        description="of the trunk and the head; int8 has 7-bit weights, beside fp16 and bf16 (for "
        "--device cuda) the head is fp32",
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="where it is judged and tried out; bf16 needs cuda"
    )
    data: Path | None = Field(
        default=None, description="data whose members int8 is tried on beside float32, as a gate"
    )
    members: int = Field(default=200, ge=1, description="members of --data that it is tried on")
    seed: int = Field(default=0, ge=0, description="of which members those are")
    force: bool = Field(default=False, description="replace what --out names")

    def run(self) -> None:
        """Export, and print the parity report."""
        refuse_existing(self.out, force=self.force)
        if self.data is not None and self.precision != "int8":
            raise UsageError("--data is for int8, which is tried beside float32; leave it out")
        if self.data is None and (idle := self.flagged("--members", "--seed")):
            raise UsageError(
                f"{' and '.join(idle)} without --data: nothing would be tried on members; give "
                "--data, or leave the flag out"
            )
        from export.bundle import STEPS, Step, export_bundle
        from model.checkpoint import Checkpoint
        from model.drafts import DraftHead
        from runtime.device import DEVICES

        checkpoint = Checkpoint.load(self.checkpoint)
        DraftHead.of(checkpoint, self.checkpoint)  # a broken one is refused before the minutes
        trial = None
        if self.data is not None:
            from evaluation.rounding import MembersTrial

            # Before the minutes that an export may take: data may have nobody to ask.
            trial = MembersTrial.read(self.data, members=self.members, seed=self.seed)
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("reading the checkpoint", total=len(STEPS))

            def tell(step: Step, share: float) -> None:
                done = STEPS.index(step) + share
                progress.update(task, description=_DOING[step], completed=done)

            manifest = export_bundle(
                checkpoint,
                self.out,
                precision=self.precision,
                force=self.force,
                device=DEVICES[self.device],
                trial=trial,
                report=tell,
            )
            progress.update(task, description="exported", completed=len(STEPS))
        parity = manifest.parity
        table = Table("parity with PyTorch", "value", title=f"{self.out}: {manifest.version}")
        table.add_row("largest logit error", f"{parity.max_logit_error:.2g}")
        table.add_row("mean logit error", f"{parity.mean_logit_error:.2g}")
        table.add_row("spread of the logits", f"{parity.logit_std:.2g}")
        table.add_row("same best title", f"{parity.top1:.1%}")
        table.add_row("same 20 best titles", f"{parity.top20:.1%}")
        if manifest.random:
            table.add_row("pages", "not judged: the weights are random")
        else:
            table.add_row("pages equal", f"{parity.pages_equal} of {parity.pages}")
            within = "at a tie" if self.precision == "fp32" else "within the largest logit error"
            table.add_row(f"pages parting {within}", str(parity.pages_tied))
            table.add_row("titles shared by both pages", f"{parity.titles_shared:.1%}")
        if manifest.rounding is not None:
            _add_rounding(table, manifest.rounding)
        elif self.precision == "int8":
            why = "the weights are random" if manifest.random else "no --data"
            table.add_row("int8 beside float32 on members", f"not judged: {why}")
        rounding = manifest.rounding
        document = {
            "out": str(self.out),
            "version": manifest.version,
            "precision": manifest.precision,
            "random": manifest.random,
            "parity": {name: getattr(parity, name) for name in parity.__slots__},
            "tie_margin": manifest.gate.tie_margin,
            "rounding": None if rounding is None else asdict(rounding),
        }
        self.emit(document, table)


def _add_rounding(table: Table, found: "Rounding") -> None:
    """What int8 costs members."""
    low, high = found.hr10_change_ci95
    table.add_section()
    table.add_row("members' pages as float32's", f"{found.pages_equal} of {found.pages}")
    floor = "(any two members: {:.1%})"
    table.add_row(
        "titles shared", f"{found.titles_shared:.1%} {floor.format(found.titles_between)}"
    )
    table.add_row("the same title at the same place", f"{found.same_place:.1%}")
    table.add_row("rows shared", f"{found.rows_shared:.1%} {floor.format(found.rows_between)}")
    table.add_row("the same row at the same place", f"{found.rows_in_place:.1%}")
    table.add_row(
        f"HR@10 of {found.questions} members' newest title",
        f"{found.hr10:.3f} (float32: {found.hr10_float:.3f})",
    )
    table.add_row("the difference, 95%", f"{found.hr10_change:+.3f} ({low:+.3f} to {high:+.3f})")
