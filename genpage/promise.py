"""What each row that may open promises: how good the titles are that it could still show.

A row is worth opening for what will stand in it. Given what each title is worth for this page, a
row's promises are means over its best titles that the page has left. A page takes from all rows at
once, so they change with every row that is placed.

Shape legend: E entities of a catalog, R rows, k rows asked about, P = `PROMISES`, D the deepest.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import BoolArray
from genpage.grammar import PageGrammar

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Counts = NDArray[np.intp]
# Means over the best so many titles; a row that has fewer is judged by those.
DEPTHS: Final = (1, 3, 6, 20)
PROMISES: Final = len(DEPTHS)
_DEPTHS: Final = np.array(DEPTHS)
_WHOLE: Final = np.array(DEPTHS, np.float32)
# A row's best titles are kept in order, so many; they are sought again when most of them are used.
_KEPT: Final = 160
# They are looked for among the best of all first, and those left of them among their first.
_SOUGHT: Final = 1024
_LOOKED_AT: Final = 64


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
        # Another page's as well: copied before it is changed.
        self._shared = False

    def fork(self) -> "Promises":
        """A copy for a copy of the grammar: what it finds used up there may be left here."""
        copy = Promises(self._worth)
        copy._order = self._order
        copy._best, copy._sought = self._best, self._sought
        copy._shared = self._shared = True
        return copy

    def of(self, grammar: PageGrammar, rows: IntArray) -> FloatArray:
        """(k, P) of the rows (k,), which may open next."""
        if not len(rows) or not len(self._worth):
            return np.zeros((len(rows), PROMISES), np.float32)
        if self._order is None:
            self._order = in_order(self._worth)
            self._best = np.full((len(grammar.catalog.rows), _KEPT), -1, np.int32)
            self._sought = np.zeros(len(self._best), np.bool_)
            self._shared = False
        self._seek(grammar, self._order, rows[~self._sought[rows]])
        first, counts = self._left(grammar, rows, _LOOKED_AT)
        # Nothing is ever given back, so those left of the best are still the best; where few are,
        # there may be others behind them.
        if counts.min() < DEPTHS[-1]:
            few = counts < DEPTHS[-1]
            first[few], counts[few] = self._left(grammar, rows[few], _KEPT)
            used_up = (counts < DEPTHS[-1]) & (self._best[rows, -1] >= 0)
            if used_up.any():
                self._seek(grammar, self._order, rows[used_up])
                first[used_up], counts[used_up] = self._left(grammar, rows[used_up], _KEPT)
        return _means(self._worth[first], counts)

    def _left(self, grammar: PageGrammar, rows: IntArray, count: int) -> tuple[IntArray, Counts]:
        """(k, D) the best titles left of the rows' first ``count``; (k,) how many are left."""
        best = self._best[rows, :count]
        # The rows could show all of these when they were sought.
        places, counts = _leading(grammar.unused(best) & (best >= 0), DEPTHS[-1])
        return best.take(places), counts

    def _seek(self, grammar: PageGrammar, order: IntArray, rows: IntArray) -> None:
        """The rows' best titles: among the best of all, then among all where there are few."""
        if self._shared and len(rows):
            self._best, self._sought = self._best.copy(), self._sought.copy()
            self._shared = False
        for among in (order[:_SOUGHT], order):
            if not len(rows):
                return
            places, counts = _leading(grammar.may_show_of(rows, among), _KEPT)
            best = among[places % len(among)]
            best[np.arange(_KEPT) >= counts[:, None]] = -1
            self._sought[rows] = True
            self._best[rows] = best
            rows = rows[counts < _KEPT]


def in_order(worth: FloatArray) -> IntArray:
    """(E,) titles from the highest of ``worth`` (E,) to the lowest, equals by index.

    As a stable sort gives them, and three times faster: whole numbers that stand in the order of
    the floats, each with its index behind it, are sorted.
    """
    bits = (np.float32(0.0) - worth).view(np.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64) << 32
    keys |= np.arange(len(worth))
    keys.sort()
    return (keys & 0xFFFFFFFF).astype(np.int32)


def means(worth: FloatArray) -> FloatArray:
    """(P,) of the worths of a row's titles (n,), in the order in which they stand."""
    if not len(worth):
        return np.zeros(PROMISES, np.float32)
    found: FloatArray = _means(worth[None, : DEPTHS[-1]], np.array([len(worth)]))[0]
    return found


def _leading(there: BoolArray, count: int) -> tuple[Counts, Counts]:
    """(k, count) where in the flat ``there`` (k, n) each line's first ones stand; (k,) how many.

    Past a line's last stands anything.
    """
    counts = there.sum(axis=1)
    places = np.flatnonzero(there)
    if not len(places):
        return np.zeros((len(there), count), np.intp), counts
    starts = (np.cumsum(counts) - counts)[:, None]
    return places[np.minimum(starts + np.arange(count), len(places) - 1)], counts


def _means(worth: FloatArray, counts: Counts) -> FloatArray:
    """(k, P) over the first so many of ``worth`` (k, D), of which ``counts`` (k,) are there."""
    if counts.min() >= DEPTHS[-1]:
        return np.cumsum(worth, axis=1, dtype=np.float32).take(_DEPTHS - 1, axis=1) / _WHOLE
    held = np.minimum(_DEPTHS, counts[:, None])
    last = np.minimum(np.maximum(held, 1), worth.shape[1]) - 1
    sums = np.cumsum(worth, axis=1, dtype=np.float32)
    total = np.take_along_axis(sums, last, axis=1) * (held > 0)
    mean: FloatArray = total / np.maximum(1, held).astype(np.float32)
    return mean
