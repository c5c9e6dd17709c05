"""``genpage export CKPT --out BUNDLE``."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from genpage.cli.command import Command
from genpage.staging import refuse_existing

_DOING = {
    "trace": "tracing the network",
    "write": "writing tables",
    "judge": "comparing with PyTorch",
    "record": "recording golden pages",
    "load": "loading it as a server would",
}


class Export(Command):
    """Turn a checkpoint into a bundle: ONNX with a KV cache, judged against PyTorch."""

    checkpoint: CliPositionalArg[Path]
    out: Path = Field(description="the bundle's folder to write")
    precision: Literal["fp32", "int8"] = Field(
        default="int8", description="of the trunk and the head; int8 has 7-bit weights"
    )
    force: bool = Field(default=False, description="replace what --out names")

    def run(self) -> None:
        """Export, and print the parity report."""
        refuse_existing(self.out, force=self.force)
        from export.bundle import STEPS, Step, export_bundle
        from model.checkpoint import Checkpoint

        checkpoint = Checkpoint.load(self.checkpoint)
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("reading the checkpoint", total=len(STEPS))

            def tell(step: Step, share: float) -> None:
                done = STEPS.index(step) + share
                progress.update(task, description=_DOING[step], completed=done)

            manifest = export_bundle(
                checkpoint, self.out, precision=self.precision, force=self.force, report=tell
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
        document = {
            "out": str(self.out),
            "version": manifest.version,
            "precision": manifest.precision,
            "random": manifest.random,
            "parity": {name: getattr(parity, name) for name in parity.__slots__},
            "tie_margin": manifest.gate.tie_margin,
        }
        self.emit(document, table)
