"""A draft head over one catalog snapshot: states go on by tokens, and score its items."""

from typing import Final
from weakref import WeakKeyDictionary

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.draft_head import DraftHead
from runtime.scope import Scope
from runtime.tables import FusedTable

# A guess reads all items' vectors: of more than these it would cost what it saves.
MOST_ITEMS: Final = 1 << 18
# Output vectors are projected so many at a time: all of them are as large as the head itself.
_PORTION: Final = 1 << 13


class Foresight:
    """Scores of what comes next, by a state (K,) of the draft head. One thread calls it."""

    def __init__(
        self, head: DraftHead, inputs: FusedTable, outputs: FusedTable, rows: int, items: IntArray
    ) -> None:
        """``items`` (R + E,) are the tokens that are scored, ``rows`` R of them first."""
        self.head, self._inputs, self._rows = head, inputs, rows
        self._items = np.concatenate(
            [
                head.projected(outputs.at(items[first : first + _PORTION]))
                for first in range(0, len(items), _PORTION)
            ]
        )
        self._narrowed: WeakKeyDictionary[Scope, FloatArray] = WeakKeyDictionary()

    def begin(self, hidden: FloatArray) -> FloatArray:
        """The state behind a token whose hidden state (d,) is known."""
        return self.head.begin(hidden)

    def follow(self, state: FloatArray, tokens: IntArray) -> FloatArray:
        """The state so many tokens (n,) on."""
        for embedding in self._inputs.at(tokens):
            state = self.head.follow(state, embedding)
        return state

    def scores(self, state: FloatArray, scope: Scope | None) -> FloatArray:
        """(R + E,) by a state; of a ``scope``, as its head's scores are laid out."""
        scores: FloatArray = self._of(scope) @ state
        return scores

    def _of(self, scope: Scope | None) -> FloatArray:
        if scope is None:
            return self._items
        narrowed = self._narrowed.get(scope)
        if narrowed is None:
            narrowed = self._narrowed[scope] = self._narrow(scope)
        return narrowed

    def _narrow(self, scope: Scope) -> FloatArray:
        # Entities out of scope have one place, behind all others, that no page reads.
        entities = int(scope.places.max()) + 1
        if entities == len(self._items) - self._rows:
            return self._items
        narrowed = np.empty((self._rows + entities, self._items.shape[1]), np.float32)
        narrowed[: self._rows] = self._items[: self._rows]
        narrowed[self._rows + scope.places] = self._items[self._rows :]
        return narrowed
