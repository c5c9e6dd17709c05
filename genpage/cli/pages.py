"""``genpage evaluate pages``."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from rich.console import Console
from rich.progress import track
from rich.table import Table

from genpage.cli.command import Command
from genpage.errors import UsageError

if TYPE_CHECKING:
    from evaluation.pages import Comparison, Rows, Served
    from runtime.model import LoadedModel


class Pages(Command):
    """Pages for sampled members: audit them rule by rule, and compare decoders and bundles."""

    data: Path = Field(description="the data whose members are sampled")
    bundle: Path = Field(description="the bundle that serves them")
    checkpoint: Path | None = Field(
        default=None, description="compare with its plain PyTorch twin, decoded without a cache"
    )
    against: Path | None = Field(default=None, description="compare with another bundle's pages")
    members: int = Field(default=1000, ge=1, description="members to sample")
    twin_pages: int = Field(default=100, ge=0, description="pages that the twin decodes too")
    rows: int = Field(default=10, ge=1, le=40, description="rows of a page")
    entities_per_row: int = Field(default=20, ge=1, le=100, description="entities of a row")
    seed: int = Field(default=0, ge=0, description="of the sample")
    threads: int = Field(default=2, ge=1, description="threads of onnxruntime")

    def run(self) -> None:
        """Print how many rules were broken and how many pages agree."""
        from evaluation.pages import Comparison, broken_rules, serve_pages
        from evaluation.sample import sample_members
        from runtime.model import LoadedModel, LoadSettings
        from runtime.sessions import SessionSettings

        console = Console(stderr=True)
        settings = LoadSettings(session=SessionSettings(threads=self.threads))
        model = LoadedModel.load(self.bundle, settings)
        asked = sample_members(
            self.data,
            model.catalog,
            members=self.members,
            rows=self.rows,
            entities_per_row=self.entities_per_row,
            seed=self.seed,
        )
        broken: Counter[str] = Counter()
        pages: list[Served] = []
        decoding = serve_pages(model, asked)
        for served in track(decoding, "pages", total=len(asked), console=console, transient=True):
            pages.append(served)
            broken += broken_rules(model, served)
        document: dict[str, object] = {
            "pages": len(pages),
            "complete": sum(len(served.rows) == self.rows for served in pages),
            "broken_rules": dict(broken),
            "distinct_entities": len({e for s in pages for r in s.rows for e in r.entities}),
            "forward_passes": max(served.forward_passes for served in pages),
        }
        if self.checkpoint is not None:
            document["twin"] = self._twin(model, pages[: self.twin_pages], console).document()
        if self.against is not None:
            other = LoadedModel.load(self.against, settings)
            if other.catalog.version != model.catalog.version:
                raise UsageError(f"{self.against} has another catalog; nothing can be compared")
            comparison = Comparison()
            theirs = {id(served.asked): served.rows for served in serve_pages(other, asked)}
            for served in pages:
                comparison.add(served.rows, theirs[id(served.asked)])
            document["against"] = comparison.document()
        self.emit(document, _table(document))

    def _twin(self, model: "LoadedModel", pages: "list[Served]", console: Console) -> "Comparison":
        from evaluation.pages import Comparison, grammar_of, logit_gap, prompt_of
        from model.checkpoint import Checkpoint
        from model.decode import decode_page
        from model.twin import TorchTwin

        assert self.checkpoint is not None
        twin = TorchTwin(Checkpoint.load(self.checkpoint))
        comparison = Comparison()
        for served in track(pages, "twin", console=console, transient=True):
            rows = decode_page(
                twin,
                prompt_of(model, served.asked),
                grammar_of(model, served.asked),
                row_tokens=model.row_tokens,
                entity_tokens=model.entity_tokens,
                rows=self.rows,
            )

            def gap(position: int, served: "Served" = served, rows: "Rows" = rows) -> float:
                return logit_gap(twin, model, served, rows, position)

            comparison.add(served.rows, rows, gap)
        return comparison


def _table(document: dict[str, object]) -> Table:
    table = Table("figure", "value", title="pages")
    for name, value in document.items():
        if isinstance(value, dict) and name in {"twin", "against"}:
            for inner, figure in value.items():
                table.add_row(f"{name}: {inner}", str(figure))
        else:
            table.add_row(name, str(value) if value else "none" if value == {} else str(value))
    return table
