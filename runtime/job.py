"""A page job: everything that decoding one page needs, pinned at admission."""

from dataclasses import dataclass
from typing import Protocol

from genpage.context import Context
from genpage.errors import InputError
from genpage.exploration import NO_EXPLORATION, Exploration
from genpage.grammar import PageGrammar
from genpage.request import PageRequest
from runtime.arrays import IntArray
from runtime.backend import Backend, Head
from runtime.foresight import Foresight
from runtime.prefix import PrefixKey
from runtime.scope import Scope
from tokenizer.appeal import PageAppeal


class ServedModel(Protocol):
    """A loaded bundle with its catalog snapshot, ready to serve; immutable while jobs use it."""

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        ...

    @property
    def backend(self) -> Backend:
        """The trunk and its KV slots. Two snapshots of one bundle may share it."""
        ...

    @property
    def head(self) -> Head:
        """The output head of the catalog snapshot. Pages with the same object share its calls."""
        ...

    @property
    def row_tokens(self) -> IntArray:
        """The token of each catalog row, (R,) int32."""
        ...

    @property
    def entity_tokens(self) -> IntArray:
        """The token of each catalog entity, (E,) int32."""
        ...

    @property
    def serialised(self) -> int | None:
        """How many entities of a row are in the sequence; None: all (`tokenizer.page`)."""
        ...

    @property
    def foresight(self) -> Foresight | None:
        """What drafts may be made by besides scores that are at hand."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PageJob:
    """One page to decode.

    ``grammar`` is the page's mutable state: the job owns it and the engine advances it. Rows that
    it holds already were decoded earlier: the first ``prompt_rows`` of them stand in ``prompt``
    (a page continued after engagements), those after are fed behind the prompt (a page taken up
    again after a disconnect). ``rows`` counts all rows of the page, those included.

    ``prompt`` is (n,) int32, n >= 1. ``autoregressive`` is how many entities of a row are decoded
    one by one, the last of them together with the fill, or all that are in the sequence of a model
    with short rows (`tokenizer.page.entities_before_fill`). ``temperature`` 0 is greedy; above it
    ``seed`` fixes the random stream. ``deadline`` is a time of the engine's monotonic clock, in
    seconds.

    ``exploration`` draws a share of what is decided greedily, by a seed that is the page id's, or
    that of ``drawn_as``, a page to be compared with; what is sampled at a ``temperature`` is drawn
    already.

    ``appeal`` is added to the scores, where there is any; the job owns it.

    ``scope`` leaves out of the scores what the page cannot show; without one all are told.

    ``context`` and ``request`` are what the prompt says in tokens; the engine reads neither. Who
    makes pages by other means behind the same routes does (``benchmarks/multistage.py``).
    """

    page_id: str
    key: PrefixKey
    model: ServedModel
    prompt: IntArray
    grammar: PageGrammar
    rows: int
    autoregressive: int = 4
    temperature: float = 0.0
    seed: int = 0
    deadline: float | None = None
    prompt_rows: int = 0
    exploration: Exploration = NO_EXPLORATION
    drawn_as: str | None = None
    appeal: PageAppeal | None = None
    scope: Scope | None = None
    context: Context | None = None
    request: PageRequest | None = None

    @property
    def head(self) -> Head:
        """What scores the page."""
        return self.model.head if self.scope is None else self.scope.head

    def __post_init__(self) -> None:
        """Refuse what no page can be decoded from, naming the field."""
        if len(self.prompt) < 1:
            raise InputError("prompt must hold at least one token.")
        if self.autoregressive < 1:
            raise InputError(f"autoregressive must be at least 1, not {self.autoregressive}.")
        if not 0.0 <= self.temperature < float("inf"):
            raise InputError(f"temperature must be 0 or a positive number, not {self.temperature}.")
        if not 0 <= self.prompt_rows <= len(self.grammar.rows):
            raise InputError(
                f"prompt_rows must lie between 0 and the {len(self.grammar.rows)} rows that the "
                f"grammar holds, not be {self.prompt_rows}."
            )
