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
    from collections.abc import Iterable

    from export.agreement import Agreement
    from genpage.page import Page
    from runtime.cases import Member
    from runtime.model import LoadedModel


class EvaluatePages(Command):
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

    def run(self) -> None:
        """Print how many rules were broken and how many pages agree."""
        from evaluation.pages import between_members, broken_rules, refuse_wrong_pages
        from evaluation.sample import sample_members
        from runtime.model import LoadedModel

        model = LoadedModel.load(self.bundle)
        members = sample_members(
            self.data,
            members=self.members,
            rows=self.rows,
            entities_per_row=self.entities_per_row,
            seed=self.seed,
        )
        pages = list(_shown("decoding", _decoded(model, members), len(members)))
        broken: Counter[str] = Counter()
        for member, page in zip(members, _shown("auditing", pages, len(pages)), strict=True):
            broken += broken_rules(model, member, page)
        document: dict[str, object] = {
            "pages": len(pages),
            "complete": sum(len(page.rows) == self.rows for page in pages),
            "broken_rules": dict(broken),
            "distinct_entities": len({e for p in pages for r in p.rows for e in r.entity_ids}),
        }
        margin, twin = model.manifest.gate.tie_margin, None
        if self.checkpoint is not None:
            twins = self.twin_pages
            twin = _twin(self.checkpoint, model, members[:twins], pages[:twins])
            document["twin"] = twin.document(margin)
        if self.against is not None:
            document["against"] = _against(self.against, model, members, pages).document()
            document["between_members"] = between_members(pages).document()
        self.emit(document, _table(document))
        refuse_wrong_pages(broken, twin, tie_margin=margin, random=model.manifest.random)


def _twin(
    checkpoint: Path, model: "LoadedModel", members: "list[Member]", pages: "list[Page]"
) -> "Agreement":
    from export.agreement import Agreement
    from export.parity import Reference
    from model.checkpoint import Checkpoint

    reference = Reference(Checkpoint.load(checkpoint))
    agreement = Agreement()
    for member, page in zip(members, _shown("twin", pages, len(pages)), strict=True):
        expected = reference.page(model, member)
        agreement.add(page, expected, reference.gap(model, member, expected, page))
    return agreement


def _against(
    bundle: Path, model: "LoadedModel", members: "list[Member]", pages: "list[Page]"
) -> "Agreement":
    from export.agreement import Agreement
    from runtime.model import LoadedModel

    other = LoadedModel.load(bundle)
    if other.catalog.version != model.catalog.version:
        raise UsageError(f"{bundle} has another catalog; nothing can be compared")
    agreement = Agreement()
    decoded = _shown("decoding by the other", _decoded(other, members), len(members))
    for page, theirs in zip(pages, decoded, strict=True):
        agreement.add(page, theirs)
    return agreement


def _decoded(model: "LoadedModel", members: "list[Member]") -> "Iterable[Page]":
    from runtime.offline import generate

    return generate(model, members, batch=model.backend.slots)


def _shown(title: str, pages: "Iterable[Page]", total: int) -> "Iterable[Page]":
    return track(pages, title, total=total, console=Console(stderr=True), transient=True)


def _table(document: dict[str, object]) -> Table:
    table = Table("figure", "value", title="pages")
    for name, value in document.items():
        if isinstance(value, dict) and name != "broken_rules":
            for inner, figure in value.items():
                table.add_row(f"{name}: {inner}", str(figure))
        else:
            table.add_row(name, "none" if value == {} else str(value))
    return table
