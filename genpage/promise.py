"""What each row that may open promises: how good the titles are that it could still show.

A row is worth opening for what will stand in it. Given what each title is worth for this page, a
row's promises are means over its best titles that the page has left. A page takes from all rows at
once, so they change with every row that is placed.

Shape legend: E entities of a catalog, R rows, k rows asked about, P = `PROMISES`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import BoolArray
from genpage.grammar import PageGrammar

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
# Means over the best so many titles; a row that has fewer is judged by those.
DEPTHS: Final = (1, 3, 6, 20)
PROMISES: Final = len(DEPTHS)
# A row's best titles are kept in order, so many; they are sought again when most of them are used.
_KEPT: Final = 160


class Promises:
    """Asks one page's grammar as it advances. Mutable (it remembers orders); one owner.

    What it answers depends on the page alone, bit for bit, not on what it was asked before: sums
    run over those left, in the order of their worth.
    """

    def __init__(self, worth: FloatArray) -> None:
        """``worth`` (E,) of each title on this page."""
        self._worth = worth
        self._order: IntArray | None = None  # (E,) best first
        self._best = np.zeros((0, _KEPT), np.int32)  # (R, _KEPT), -1 past a row's last
        self._sought = np.zeros(0, np.bool_)  # (R,)

    def fork(self) -> "Promises":
        """A copy for a copy of the grammar: what it finds used up there may be left here."""
        copy = Promises(self._worth)
        copy._order = self._order
        copy._best, copy._sought = self._best.copy(), self._sought.copy()
        return copy

    def of(self, grammar: PageGrammar, rows: IntArray) -> FloatArray:
        """(k, P) of the rows (k,), which may open next."""
        if not len(rows) or not len(self._worth):
            return np.zeros((len(rows), PROMISES), np.float32)
        if self._order is None:
            self._order = np.argsort(-self._worth, kind="stable").astype(np.int32)
            self._best = np.full((len(grammar.catalog.rows), _KEPT), -1, np.int32)
            self._sought = np.zeros(len(self._best), np.bool_)
        self._seek(grammar, self._order, rows[~self._sought[rows]])
        best, left = self._left(grammar, rows)
        # Nothing is ever given back, so those left of the best are still the best; where few are,
        # there may be others behind them.
        used_up = (left.sum(axis=1) < DEPTHS[-1]) & (best[:, -1] >= 0)
        if used_up.any():
            self._seek(grammar, self._order, rows[used_up])
            best, left = self._left(grammar, rows)
        return _means(self._worth[best], left)

    def _left(self, grammar: PageGrammar, rows: IntArray) -> tuple[IntArray, BoolArray]:
        """(k, _KEPT) each row's best titles as they were sought; which of them are left."""
        best = self._best[rows]
        return best, grammar.may_show(rows[:, None], best) & (best >= 0)

    def _seek(self, grammar: PageGrammar, order: IntArray, rows: IntArray) -> None:
        if not len(rows):
            return
        found = grammar.may_show(rows[:, None], order[None, :])  # (k, E)
        self._sought[rows] = True
        self._best[rows] = -1
        for row, line in zip(rows.tolist(), found, strict=True):
            first = order[np.flatnonzero(line)[:_KEPT]]
            self._best[row, : len(first)] = first


def means(worth: FloatArray) -> FloatArray:
    """(P,) of the worths of a row's titles (n,), in the order in which they stand."""
    if not len(worth):
        return np.zeros(PROMISES, np.float32)
    found: FloatArray = _means(worth[None], np.ones((1, len(worth)), np.bool_))[0]
    return found


def _means(worth: FloatArray, there: BoolArray) -> FloatArray:
    """(k, P) over the first so many of ``worth`` (k, n) that are there."""
    found = np.zeros((len(worth), PROMISES), np.float32)
    places = np.flatnonzero(there)
    if not len(places):
        return found
    counts = there.sum(axis=1)
    # Where each row's first ones stand among all; of a short row its last again and again.
    steps = np.minimum(np.arange(DEPTHS[-1]), np.maximum(counts, 1)[:, None] - 1)
    chosen = np.minimum((np.cumsum(counts) - counts)[:, None] + steps, len(places) - 1)
    first = worth.ravel()[places[chosen]]  # (k, the deepest)
    sums = np.cumsum(first, axis=1, dtype=np.float32)
    lines = np.arange(len(worth))
    for column, depth in zip(found.T, DEPTHS, strict=True):
        held = np.minimum(depth, counts)
        total = sums[lines, np.maximum(held, 1) - 1] * (held > 0)
        column[:] = total / np.maximum(1, held).astype(np.float32)
    return found
