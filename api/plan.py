"""What a page is made from, pinned at its admission: a later swap or event changes none of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.served import Served
from genpage.context import Context
from genpage.grammar import DecodedRow, PageGrammar
from genpage.page import PageRow
from genpage.request import PageRequest
from genpage.trends import Trends
from tokenizer.prompt import Prompt
from tokenizer.vocabulary import IntArray


@dataclass(frozen=True, slots=True)
class ContextNote:
    """What a page says of the context it was made from. ``age_ms`` at admission."""

    version: str
    age_ms: float | None
    known: bool


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything that a page's tokens depend on.

    ``earlier`` are the rows of the pages that this one continues; they stand in ``tokens`` (n,),
    which is the prompt with whatever followed it. ``deadline_s`` is a budget of decoding time, in
    seconds: time during which nobody listened does not count.
    """

    page_id: str
    request_id: str
    request: PageRequest
    model: Served
    context: Context
    note: ContextNote
    trends: Trends
    prompt: Prompt
    tokens: IntArray
    earlier: tuple[DecodedRow, ...] = ()
    degraded: tuple[str, ...] = ()
    deadline_s: float | None = None

    @property
    def nbytes(self) -> int:
        """About how much memory it holds by itself; the context is shared with the store."""
        return int(self.tokens.nbytes) + 64 * len(self.earlier)

    def grammar(self, rows: Sequence[DecodedRow] = ()) -> PageGrammar:
        """The page's grammar behind the ``earlier`` rows and ``rows``; a new one each time."""
        model = self.model
        grammar = PageGrammar.start(
            model.catalog, model.rules, self.context, self.request, self.trends
        )
        grammar.replay((*self.earlier, *rows))
        return grammar

    def page_rows(self, rows: Sequence[DecodedRow]) -> list[PageRow]:
        """Rows by ids."""
        catalog = self.model.catalog
        return [
            PageRow(catalog.rows[r.row].id, tuple(catalog.entities[e].id for e in r.entities))
            for r in rows
        ]

    def start_document(self) -> dict[str, object]:
        """The data of ``page.start``."""
        return {
            "page_id": self.page_id,
            "user_id": self.request.user_id,
            "model": {"version": self.model.version, "digest": self.model.digest},
            "catalog_version": self.model.catalog.version,
            "context": {
                "version": self.note.version,
                "age_ms": self.note.age_ms,
                "known": self.note.known,
            },
            "degraded": self.degraded,
            "rows": self.request.rows,
            "entities_per_row": self.request.entities_per_row,
            "offset": len(self.earlier),
        }
