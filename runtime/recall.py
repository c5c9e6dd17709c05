"""A member's earlier page, which the next one will probably resemble: what to draft from it.

It is kept with the KV of its prompt (`runtime.slots`), as tokens, so that a catalog that changed in
between cannot be misread: what has no place in the new one is not recalled. Only a guess, as every
draft: rules are asked before, and the model behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genpage.grammar import PageGrammar
from runtime.arrays import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Recall:
    """The earlier page by catalog indices: its ``rows`` in page order, and what stood in each."""

    rows: tuple[int, ...]
    entities: Mapping[int, IntArray]

    @classmethod
    def of(cls, page: IntArray, row_tokens: IntArray, entity_tokens: IntArray) -> "Recall | None":
        """Read off the tokens (n,) of whole rows; None where nothing of them is in the catalog.

        ``row_tokens`` (R,) and ``entity_tokens`` (E,) are the catalog's, in its order.
        """
        rows, entities = _indices(page, row_tokens), _indices(page, entity_tokens)
        opening = np.flatnonzero(rows >= 0)
        if not len(opening):
            return None
        shown: dict[int, IntArray] = {}
        for begin, end in zip(opening, [*opening[1:], len(page)], strict=True):
            stood = entities[begin + 1 : end]
            shown.setdefault(int(rows[begin]), stood[stood >= 0])
        return cls(tuple(shown), shown)

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


def _indices(tokens: IntArray, of_catalog: IntArray) -> IntArray:
    """(n,) where each token stands in ``of_catalog`` (k,), -1 where it does not."""
    places = np.flatnonzero(np.isin(of_catalog, tokens)).astype(np.int32)
    by_token = dict(zip(of_catalog[places].tolist(), places.tolist(), strict=True))
    return np.array([by_token.get(token, -1) for token in tokens.tolist()], np.int32)
