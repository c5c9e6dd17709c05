"""Which rows may stand where on a page: pins, and rows and kinds that have stood often enough.

Shape legend: R catalog rows.
"""

import numpy as np

from genpage.catalog import Catalog
from genpage.rules import Rules
from genpage.supply import IntArray


class Turns:
    """Of one page; mutated by `stood`; one owner, as the page."""

    def __init__(self, catalog: Catalog, rules: Rules, entities_per_row: int) -> None:
        self._catalog, self._rules = catalog, rules
        self._enough = entities_per_row
        self._enough_pinned = min(rules.page.minimum_pinned, entities_per_row)
        self._pins = rules.pinned(catalog)
        self._unpinned = np.ones(len(catalog.rows), np.bool_)
        self._unpinned[list(self._pins.values())] = False
        # Rows that have stood, or whose kind has stood often enough; no pin brings them back.
        self._spent = np.zeros(len(catalog.rows), np.bool_)
        self._kinds: dict[str, int] = {}

    def fork(self) -> "Turns":
        """A copy that goes on without this one's noticing."""
        copy = object.__new__(Turns)
        copy._catalog, copy._rules = self._catalog, self._rules
        copy._enough, copy._enough_pinned = self._enough, self._enough_pinned
        copy._pins, copy._unpinned = self._pins, self._unpinned
        copy._spent, copy._kinds = self._spent.copy(), dict(self._kinds)
        return copy

    def may_open(self, place: int, left: IntArray) -> IntArray:
        """Sorted catalog indices of the rows that may open at a place on the page.

        ``left`` (R,) is how many titles each could still show. At a pinned position that is the
        pinned row alone, if it has enough to show and no other rule keeps it away. Elsewhere every
        row that is not pinned, not spent, and can be filled.
        """
        pinned = self._pins.get(place)
        if pinned is not None and not self._spent[pinned] and left[pinned] >= self._enough_pinned:
            return np.array([pinned], np.int32)
        fits = self._unpinned & ~self._spent & (left >= self._enough)
        return fits.nonzero()[0].astype(np.int32)

    def over(self, row: int) -> bool:
        """Whether a row may stand nowhere any more."""
        return bool(self._spent[row])

    def stood(self, row: int) -> None:
        """A row stands on the page."""
        kind = self._catalog.rows[row].kind
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self._rules.page.unique_rows:
            self._spent[row] = True
        limit = self._rules.row_kinds.get(kind)
        if limit is not None and self._kinds[kind] >= limit.per_page:
            for index, other in enumerate(self._catalog.rows):
                if other.kind == kind:
                    self._spent[index] = True
