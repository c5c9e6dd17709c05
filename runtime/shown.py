"""A page that a member was shown, as it stays with the KV of its prompt (`runtime.slots`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import ref

import numpy as np

from genpage.grammar import DecodedRow
from runtime.arrays import IntArray


class Items(Protocol):
    """The tokens of a catalog's rows (R,) and entities (E,), in its order."""

    @property
    def row_tokens(self) -> IntArray:
        """(R,)."""
        ...

    @property
    def entity_tokens(self) -> IntArray:
        """(E,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Whole rows, by the indices of the catalog snapshot that they were made of, and as tokens.

    Indices are another snapshot's nonsense; tokens (n,) outlive it. The snapshot is not held.
    """

    rows: tuple[DecodedRow, ...]
    tokens: IntArray
    _snapshot: "ref[IntArray]"

    @classmethod
    def of(cls, rows: Sequence[DecodedRow], items: Items) -> "Shown":
        """These rows of this snapshot."""
        told = [
            np.concatenate((items.row_tokens[[row.row]], items.entity_tokens[list(row.entities)]))
            for row in rows
        ]
        tokens = np.concatenate(told) if told else np.array([], np.int32)
        return cls(tuple(rows), tokens, ref(items.entity_tokens))

    def rows_in(self, items: Items) -> tuple[DecodedRow, ...]:
        """The same by the indices of another snapshot, without what it does not have."""
        if self._snapshot() is items.entity_tokens:
            return self.rows
        rows = _indices(self.tokens, items.row_tokens)
        entities = _indices(self.tokens, items.entity_tokens)
        found: list[tuple[int, list[int]]] = []
        for token in self.tokens.tolist():
            if token in rows:
                found.append((rows[token], []))
            elif token in entities and found:
                found[-1][1].append(entities[token])
        return tuple(DecodedRow(row, tuple(stood)) for row, stood in found)


def _indices(tokens: IntArray, of_catalog: IntArray) -> dict[int, int]:
    """Where those of the tokens that a catalog has stand in it."""
    places = np.flatnonzero(np.isin(of_catalog, tokens))
    return dict(zip(of_catalog[places].tolist(), places.tolist(), strict=True))
