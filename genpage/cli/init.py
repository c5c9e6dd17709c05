"""``genpage init``: a checkpoint that was not trained, or not trained at this size."""

from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.table import Table

from genpage.cli.command import Command
from genpage.cli.fresh import Serialised
from genpage.errors import UsageError
from genpage.staging import refuse_existing
from model.config import Size


class Init(Command):
    """Random weights with a made-up catalog; or a trained model grown, computing the same.

    Benchmarks of large models start here: --grow-from gives them a small trained model's pages.
    """

    size: Size = Field(description="the model's size")
    out: Path = Field(description="the checkpoint to write")
    grow_from: Path | None = Field(default=None, description="the smaller checkpoint to grow")
    vocab_entities: int | None = Field(default=None, ge=1, description="made-up titles; 2,000")
    vocab_rows: int | None = Field(default=None, ge=1, description="made-up rows; 40")
    serialised: Serialised = None
    seed: int = Field(default=0, ge=0, description="of the random weights and the catalog")
    force: bool = Field(default=False, description="replace an existing checkpoint")

    def run(self) -> None:
        """Write the checkpoint."""
        refuse_existing(self.out, force=self.force)
        if self.grow_from is not None and (self.vocab_entities or self.vocab_rows):
            raise UsageError("--grow-from keeps its checkpoint's catalog; leave --vocab-* out")
        if self.grow_from is not None and self.serialised is not None:
            raise UsageError("--grow-from keeps its checkpoint's rows; leave --serialised out")

        from genpage.rules import Rules
        from model.checkpoint import Checkpoint
        from model.growth import grown
        from training.invented import invented_catalog
        from training.start import asked_serialised, fresh_checkpoint

        with Console(stderr=True).status(f"making {self.size} weights"):
            if self.grow_from is not None:
                checkpoint = grown(Checkpoint.load(self.grow_from), self.size, seed=self.seed)
            else:
                catalog = invented_catalog(
                    self.vocab_entities or 2000, self.vocab_rows or 40, seed=self.seed
                )
                checkpoint = fresh_checkpoint(
                    catalog,
                    self.size,
                    rules=Rules.default(),
                    seed=self.seed,
                    serialised=asked_serialised(self.serialised, fresh=True),
                )
            checkpoint.save(self.out)
        document = {
            "version": checkpoint.lineage.version,
            "parent": checkpoint.lineage.parent,
            "size": self.size,
            "parameters": checkpoint.parameters,
            "entities": len(checkpoint.catalog.entities),
            "rows": len(checkpoint.catalog.rows),
            "random": checkpoint.random,
        }
        table = Table("", "", box=None, show_header=False)
        for name, value in document.items():
            table.add_row(name, f"{value:,}" if type(value) is int else str(value))
        self.emit(document, table)
