"""What each row that may open promises: how good the titles are that it could still show.

A row is worth opening for what will stand in it. Given what each title is worth for this page, a
row's promises are means over its best titles that the page has left. A page takes from all rows at
once, so they change with every row that is placed.

Shape legend: E entities of a catalog, R rows, k rows asked about, P = `PROMISES`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.grammar import PageGrammar

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
# Means over the best so many titles; a row that has fewer is judged by those.
DEPTHS: Final = (1, 3, 6, 20)
PROMISES: Final = len(DEPTHS)
# A row's best titles are kept in order, so many; they are sought again when most of them are used.
_KEPT: Final = 64


class Promises:
    """Asks one page's grammar as it advances. Mutable (it remembers orders); one owner."""

    def __init__(self, worth: FloatArray) -> None:
        """``worth`` (E,) of each title on this page."""
        self._worth = worth
        self._best: dict[int, IntArray] = {}

    def of(self, grammar: PageGrammar, rows: IntArray) -> FloatArray:
        """(k, P) of the rows (k,), which may open next."""
        found = np.zeros((len(rows), PROMISES), np.float32)
        for line, row in zip(found, rows.tolist(), strict=True):
            line[:] = means(self._worth[self._left(grammar, row)])
        return found

    def _left(self, grammar: PageGrammar, row: int) -> IntArray:
        """The best titles that the row has left, best first: as many as are looked at."""
        best = self._best.get(row)
        if best is not None:
            left = best[grammar.may_show(row, best)]
            # Nothing is ever given back, so those left are still the best.
            if len(left) >= DEPTHS[-1] or len(best) < _KEPT:
                return left[: DEPTHS[-1]]
        every = grammar.left_for(row)
        if len(every) > _KEPT:
            worth = self._worth[every]
            every = every[np.argpartition(-worth, _KEPT - 1)[:_KEPT]]
        self._best[row] = every[np.argsort(-self._worth[every], kind="stable")]
        return self._best[row][: DEPTHS[-1]]


def means(worth: FloatArray) -> FloatArray:
    """(P,) of the worths of a row's titles (n,), in the order in which they stand."""
    if not len(worth):
        return np.zeros(PROMISES, np.float32)
    sums = np.cumsum(worth[: DEPTHS[-1]], dtype=np.float32)
    counts = np.minimum(DEPTHS, len(sums))
    return np.asarray(sums[counts - 1] / counts.astype(np.float32), np.float32)
