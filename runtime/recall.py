"""A member's earlier page, which the next one will probably resemble: what to draft from it.

Only a guess, as every draft: rules are asked before, and the model behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genpage.grammar import DecodedRow, PageGrammar
from runtime.arrays import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Recall:
    """The earlier page by catalog indices: its ``rows`` in page order, and what stood in each."""

    rows: tuple[int, ...]
    entities: Mapping[int, IntArray]

    @classmethod
    def of(cls, rows: Sequence[DecodedRow]) -> "Recall | None":
        """Of a page's rows; None where it had none."""
        stood: dict[int, IntArray] = {}
        for row in rows:
            stood.setdefault(row.row, np.array(row.entities, np.int32))
        return cls(tuple(stood), stood) if stood else None

    def row(self, allowed: IntArray) -> int | None:
        """The first of its rows that may open: catalog indices ``allowed`` (k,), sorted."""
        may = set(allowed.tolist())
        return next((row for row in self.rows if row in may), None)

    def titles(self, row: int, count: int, grammar: PageGrammar) -> IntArray | None:
        """The first ``count`` of this open row's that may still stand in it; None: it has fewer."""
        stood = self.entities.get(row)
        if stood is None or len(stood) < count:
            return None
        may = grammar.may_show_of(np.array([row], np.int32), stood)[0]
        left = stood[may]
        return left[:count] if len(left) >= count else None
