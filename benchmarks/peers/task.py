"""The page that a peer decodes: a prompt of tokens, and what may stand where.

A peer knows tokens alone. `Walk` goes through a page one token after the other, by the rules that
the engine decodes under, and picks the best allowed one of a peer's logits.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from genpage.grammar import PageGrammar

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PageTask:
    """One page of ``rows`` rows with ``entities`` titles; picklable.

    ``row_tokens`` (R,) and ``entity_tokens`` (E,) are the tokens of the catalog's items.
    """

    prompt: IntArray  # (n,)
    grammar: PageGrammar
    rows: int
    entities: int
    row_tokens: IntArray
    entity_tokens: IntArray

    @property
    def tokens(self) -> int:
        """How many tokens the page has."""
        return self.rows * (1 + self.entities)

    def walk(self) -> "Walk":
        """From the page's beginning."""
        return Walk(self)


@dataclass(slots=True)
class Walk:
    """Where a page stands; mutated by `choose`."""

    task: PageTask
    _grammar: PageGrammar = field(init=False)
    _taken: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._grammar = self.task.grammar.fork()

    @property
    def taken(self) -> tuple[int, ...]:
        """The tokens so far."""
        return tuple(self._taken)

    @property
    def done(self) -> bool:
        """Whether the page is whole, or exhausted."""
        if len(self._grammar.rows) == self.task.rows:
            return True
        return self._grammar.room == 0 and not len(self._grammar.allowed_rows())

    def choose(self, logits: FloatArray) -> int:
        """The best token that may come next; ties by the lower index.  (V,) -> token."""
        grammar = self._grammar
        opening = grammar.room == 0
        allowed = grammar.allowed_rows() if opening else grammar.allowed_entities()
        names = self.task.row_tokens if opening else self.task.entity_tokens
        tokens = names[allowed]
        best = int(logits[tokens].argmax())
        if opening:
            grammar.open_row(int(allowed[best]))
        else:
            grammar.add(int(allowed[best]))
        token = int(tokens[best])
        self._taken.append(token)
        return token
