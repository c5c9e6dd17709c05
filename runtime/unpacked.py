"""All exact scores of a catalog too large to hold its float32 vectors packed beside their integers.

Pages of such a catalog go by rough scores and by exact ones of few (`runtime.screen`). Who compares
with what was recorded wants exact ones of all, now and then, and waits for them: the vectors are
taken from their table a portion at a time.
"""

from typing import Final

import numpy as np

from runtime.arrays import FloatArray
from runtime.screen import Again

_PORTION: Final = 16_384


class UnpackedHead:
    """`runtime.backend.Head` that holds nothing of its own. One thread calls it."""

    def __init__(self, again: Again, items: int) -> None:
        self._again, self._items = again, items

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Scores (n, C) of hidden states (n, width), the caller's own: a packed head's bits."""
        scores = np.empty((len(hidden), self._items), np.float32)
        for first in range(0, self._items, _PORTION):
            columns = np.arange(first, min(first + _PORTION, self._items))
            scores[:, columns] = self._again.lines(hidden, columns)
        return scores
