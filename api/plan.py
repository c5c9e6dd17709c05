"""What a page is made from, pinned at its admission: a later swap or event changes none of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from api.past import PastModel
from api.served import Served
from genpage.context import Context
from genpage.eligibility import eligible
from genpage.entity import Entity
from genpage.grammar import DecodedRow, PageGrammar
from genpage.member_rows import because_of
from genpage.page import PageRow
from genpage.request import PageRequest
from genpage.trends import Trends
from tokenizer.appeal import PageAppeal
from tokenizer.prompt import Prompt
from tokenizer.vocabulary import IntArray

# What CPython takes, measured with usual identifiers: an event with its strings and numbers, an
# excluded id with its place in the set, a row and a place on it.
_EVENT_BYTES = 640
_EXCLUDE_BYTES = 160
_ROW_BYTES = 128
_PLACE_BYTES = 40


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
    # The page that this one goes on from.
    continued_from: str | None = None
    # What is added to the page's scores; each decoder takes its own of it (`PageAppeal.fresh`).
    appeal: PageAppeal | None = None

    @property
    def nbytes(self) -> int:
        """About how much memory it holds, as if nothing were shared with the store or other pages.

        The store moves on while a page is kept, so that what was shared is soon the page's alone.
        """
        tokens = self.tokens.nbytes + self.prompt.tokens.nbytes
        exclude = _EXCLUDE_BYTES * len(self.request.exclude)
        earlier = sum(_ROW_BYTES + _PLACE_BYTES * len(row.entities) for row in self.earlier)
        events = _EVENT_BYTES * len(self.context.events)
        appeal = 0 if self.appeal is None else self.appeal.entities.nbytes
        return int(tokens + self.trends.nbytes + appeal) + exclude + earlier + events

    def decoded(self, *, explained: bool = False) -> "Plan":
        """The plan once nothing more is decoded by it.

        Without the trends, some counts a title, unless it is to be ``explained``; and without what
        decodes: a page is kept for minutes, and a bundle that was swapped out meanwhile is not to
        be kept with it.
        """
        trends = self.trends if explained else Trends(np.zeros(0, np.float32))
        return replace(self, trends=trends, model=PastModel.of(self.model), appeal=None)

    def grammar(self, rows: Sequence[DecodedRow] = ()) -> PageGrammar:
        """The page's grammar behind the ``earlier`` rows and ``rows``; a new one each time."""
        model = self.model
        grammar = PageGrammar.start(
            model.catalog, model.rules, self.context, self.request, self.trends
        )
        grammar.replay((*self.earlier, *rows))
        return grammar

    def judged(self) -> "Plan":
        """The plan with its appeal: a pass over all titles, so never on the event loop."""
        return replace(self, appeal=self.model.appeal(self.context, self.request, self.trends))

    def because(self, row: int) -> Entity | None:
        """The title that a "because you watched" row refers to; None for any other row.

        None too where the member may not be shown that title now.
        """
        catalog, held = self.model.catalog, self.model.catalog.rows[row]
        if held.kind != "because" or held.entity_ids is not None:
            return None
        context = self.context.before(self.request.at)
        index = because_of(catalog, context)
        if index is None or not eligible(catalog, self.model.rules, context, self.request)[index]:
            return None
        return catalog.entities[index]

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
