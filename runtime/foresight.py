"""A draft head over one catalog snapshot: states go on by tokens, and score its items."""

import math
from typing import Final

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.draft_head import DraftHead
from runtime.tables import FusedTable

# What the projected vectors of a catalog may take; a larger one is drafted for without a head.
MOST_BYTES: Final = 1 << 28
# Output vectors are projected so many at a time: all of them are as large as the head itself.
_PORTION: Final = 1 << 13
# Tokens of which it is kept what a step hears of them; pages share most of theirs.
_HEARD: Final = 1 << 12


class Foresight:
    """Scores of what comes next, by a state (K,) of the draft head. One thread calls it."""

    def __init__(
        self, head: DraftHead, inputs: FusedTable, outputs: FusedTable, rows: int, items: IntArray
    ) -> None:
        """``items`` (R + E,) are the tokens that are scored, ``rows`` R of them first."""
        self._head, self._inputs = head, inputs
        vectors = np.concatenate(
            [
                head.projected(outputs.at(items[first : first + _PORTION]))
                for first in range(0, len(items), _PORTION)
            ]
        )
        self._rows, self._entities = vectors[:rows], vectors[rows:]
        self._heard: dict[int, FloatArray] = {}

    @staticmethod
    def holds(head: DraftHead, items: int) -> bool:
        """Whether a catalog of so many rows and entities is not too large for it."""
        return items * len(head.state_bias) * 4 <= MOST_BYTES

    def begin(self, hidden: FloatArray) -> FloatArray:
        """The state behind a token whose hidden state (d,) is known."""
        return self._head.begin(hidden)

    def follow(self, state: FloatArray, tokens: IntArray) -> FloatArray:
        """The state so many tokens (n,) on."""
        for token in tokens.tolist():
            heard = self._heard.get(token)
            if heard is None:
                if len(self._heard) >= _HEARD:
                    self._heard.clear()
                heard = self._head.hear(self._inputs.at(np.array([token], np.int32))[0])
                self._heard[token] = heard
            state = self._head.follow(state, heard)
        return state

    def rows(self, state: FloatArray) -> FloatArray:
        """Scores (R,) of all rows by a state."""
        return _finite(self._rows @ state)

    def titles(self, state: FloatArray, entities: IntArray) -> FloatArray:
        """Scores (n,) of some entities, by catalog index."""
        return _finite(self._entities.take(entities, axis=0) @ state)


def _finite(scores: FloatArray) -> FloatArray:
    """Scores (n,) that are numbers; nearly always they are, as their sum tells at once."""
    return scores if math.isfinite(np.add.reduce(scores)) else np.nan_to_num(scores)
