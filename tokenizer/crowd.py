"""What titles that stand above on a page take from those that are like them.

Who was shown a title and passed it over is not waiting for another of its kind: of titles that are
near in content the later ones are worth less. How much is learnt from pages that members saw
(`training.appraisal`), and beyond that from whole pages (`training.rl`). A page's crowd changes
with every title that is placed, so it is asked for at each choice, of the open row's titles alone:
of all of them here, of those that may be chosen by `tokenizer.shortlist`. Both find the same to the
bit, since contents stand in steps (`grained`) that make their cosines exact.

Only the first titles of a row count: the others are hardly seen, and cost time.

Shape legend: E entities by catalog index, C content dimensions, F = `CROWDS`, n titles of a page,
a titles above, k titles that the open row could show when it opened.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.grammar import PageGrammar

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Wide = NDArray[np.float64]
# A cosine counts by these powers (`_powers`): kin, and all but the same.
POWERS: Final = (2, 4)
CROWDS: Final = len(POWERS)
# So many titles of a row are noticed.
NOTICED: Final = 8
# Products of unit vectors in such steps, and their sums, are whole numbers of its square below
# 2^53: float64 holds them, in whatever order they are added.
_GRAIN: Final = np.float32(2.0**-24)


class Crowd:
    """Asks one page's grammar as it advances. Mutable (it remembers the open row); one owner.

    What it answers depends on the page alone, bit for bit, not on what it was asked before.
    """

    def __init__(self, content: FloatArray, weights: FloatArray) -> None:
        """``content`` (E, C) of unit length, `grained`; ``weights`` (F,) of logits."""
        self._content, self._weights = content, weights
        self._row = -1  # the open row's place on the page
        self._titles: IntArray = np.zeros(0, np.int32)  # (k,) that it began with
        self._mine = wide(content[:0])  # (k, C)
        self._sums = np.zeros((CROWDS, 0), np.float32)  # (F, k)
        self._counted = 0

    def fork(self) -> "Crowd":
        """A copy for a copy of the grammar."""
        copy = Crowd(self._content, self._weights)
        copy._row, copy._titles, copy._mine = self._row, self._titles, self._mine
        copy._sums, copy._counted = self._sums.copy(), self._counted
        return copy

    def features(self, grammar: PageGrammar) -> FloatArray:
        """(F, E) how crowded it is around the titles of the open row; 0 for others."""
        found = np.zeros((CROWDS, len(self._content)), np.float32)
        if grammar.room:
            self._advance(grammar)
            found[:, self._titles] = self._sums
        return found

    def added(self, grammar: PageGrammar) -> FloatArray:
        """(E,) what is added to the scores of titles that may come next; 0 for others."""
        found = np.zeros(len(self._content), np.float32)
        if grammar.room:
            self._advance(grammar)
            found[self._titles] = weighed(self._weights, self._sums)
        return found

    def _advance(self, grammar: PageGrammar) -> None:
        """Take in what was placed: earlier rows at once, the open row's titles one by one."""
        placed = grammar.placed[:NOTICED]
        if self._row != len(grammar.rows):
            self._row, self._counted = len(grammar.rows), 0
            whole = np.array(grammar.placed, np.int32)
            self._titles = np.union1d(grammar.allowed_entities(), whole)
            self._mine = wide(self._content[self._titles])
            above = noticed([row.entities for row in grammar.rows])
            self._sums = around(self._mine, wide(self._content[above]))
        for entity in placed[self._counted :]:
            self._sums += powers(self._mine @ wide(self._content[entity]))
        self._counted = len(placed)


def noticed(rows: Sequence[Sequence[int]]) -> list[int]:
    """The titles of a page's rows that count, in its order."""
    return [entity for row in rows for entity in row[:NOTICED]]


def grained(content: FloatArray) -> FloatArray:
    """(E, C) of unit length, rounded by next to nothing so that cosines of it are exact."""
    rounded: FloatArray = np.rint(content / _GRAIN) * _GRAIN
    return rounded


def wide(content: FloatArray) -> Wide:
    """The same numbers, for products."""
    return content.astype(np.float64)


def around(titles: Wide, above: Wide) -> FloatArray:
    """(F, k) around titles by those above, contents (k, C) and (a, C), added one after another."""
    if len(titles) == 1:  # NumPy adds a single column in another order
        return around(np.repeat(titles, 2, axis=0), above)[:, :1]
    found: FloatArray = powers(above @ titles.T).sum(axis=1)
    return found


def weighed(weights: FloatArray, sums: FloatArray) -> FloatArray:
    """(k,) of ``sums`` (F, k): one after another, so that a title's does not depend on others."""
    found: FloatArray = weights[0] * sums[0]
    for weight, line in zip(weights[1:], sums[1:], strict=True):
        found += weight * line
    return found


def crowding(content: FloatArray, column: NDArray[np.int64]) -> FloatArray:
    """(n, F) around each of a page's titles, all of them in its order, as they stood there.

    ``content`` (n, C) of each, ``column`` (n,) where in its row it stands.
    """
    near = powers(content @ content.T)  # (F, n, n)
    above = np.tri(len(column), k=-1, dtype=np.float32) * (column < NOTICED)
    found: FloatArray = np.einsum("fij,ij->if", near, above)
    return found


def powers(cosines: NDArray[np.floating]) -> FloatArray:
    """(F, ...) of cosines; what is unlike does not invite."""
    found = np.empty((CROWDS, *cosines.shape), np.float32)
    square, fourth = found
    square[...] = cosines
    np.maximum(square, 0.0, out=square)
    np.multiply(square, square, out=square)  # many times faster than a power
    np.multiply(square, square, out=fourth)
    return found
