"""What titles that stand above on a page take from those that are like them.

Who was shown a title and passed it over is not waiting for another of its kind: of titles that are
near in content the later ones are worth less. How much is learnt from pages that members saw
(`training.appraisal`), and beyond that from whole pages (`training.rl`). A page's crowd changes
with every title that is placed, so it is asked for at each choice.

Only the first titles of a row count: the others are hardly seen, and cost time.

Shape legend: E entities by catalog index, C content dimensions, F = `CROWDS`, n titles of a page.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.grammar import PageGrammar

FloatArray = NDArray[np.float32]
# A cosine counts by these powers: kin, and all but the same.
POWERS: Final = (2, 4)
CROWDS: Final = len(POWERS)
# So many titles of a row are noticed.
NOTICED: Final = 8


class Crowd:
    """Asks one page's grammar as it advances. Mutable (it remembers sums); one owner.

    What it answers depends on the page alone, bit for bit, not on what it was asked before: titles
    are added one by one, in the page's order.
    """

    def __init__(self, content: FloatArray, weights: FloatArray) -> None:
        """``content`` (E, C) of unit length, ``weights`` (F,) of logits."""
        self._content, self._weights = content, weights
        self._sums = np.zeros((CROWDS, len(content)), np.float32)
        self._counted = 0

    def fork(self) -> "Crowd":
        """A copy for a copy of the grammar."""
        copy = Crowd(self._content, self._weights)
        copy._sums, copy._counted = self._sums.copy(), self._counted
        return copy

    def features(self, grammar: PageGrammar) -> FloatArray:
        """(F, E) how crowded it is around each title; the caller's to keep."""
        above = noticed([*(row.entities for row in grammar.rows), grammar.placed])
        for entity in above[self._counted :]:
            self._sums += _powers(self._content @ self._content[entity])
        self._counted = len(above)
        return self._sums.copy()

    def added(self, grammar: PageGrammar) -> FloatArray:
        """(E,) what is added to the scores of titles that may come next."""
        found: FloatArray = self._weights @ self.features(grammar)
        return found


def noticed(rows: Sequence[Sequence[int]]) -> list[int]:
    """The titles of a page's rows that count, in its order."""
    return [entity for row in rows for entity in row[:NOTICED]]


def crowding(content: FloatArray, column: NDArray[np.int64]) -> FloatArray:
    """(n, F) around each of a page's titles, all of them in its order, as they stood there.

    ``content`` (n, C) of each, ``column`` (n,) where in its row it stands.
    """
    near = _powers(content @ content.T)  # (F, n, n)
    above = np.tri(len(column), k=-1, dtype=np.float32) * (column < NOTICED)
    found: FloatArray = np.einsum("fij,ij->if", near, above)
    return found


def _powers(cosines: FloatArray) -> FloatArray:
    """(F, ...) of cosines; what is unlike does not invite."""
    near = np.maximum(cosines, np.float32(0.0))
    return np.stack([near**power for power in POWERS])
