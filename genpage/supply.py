"""What the rows of a page could still show: the titles that belong there, less those used.

Titles stand by their *places* in the page's audience (`genpage.audience`), so that what a step
costs follows the number of those eligible.

Shape legend: R catalog rows, E catalog entities, C columns of the audience, k rows, n entities.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genpage.audience import Audience
from genpage.catalog import BoolArray, Catalog
from genpage.context import Context
from genpage.eligibility import barred
from genpage.member_rows import member_row
from genpage.request import PageRequest
from genpage.row import MEMBER_ROW_KINDS
from genpage.rules import Rules
from genpage.trends import Trends

IntArray = NDArray[np.int32]
Places = NDArray[np.intp]


class Supply:
    """Of one page; mutated by `use`, `replay` and `close_row`; one owner, as the page.

    ``unique``: a title may stand on a page once, else once in a row.
    """

    def __init__(self, members: BoolArray, audience: Audience | None, *, unique: bool) -> None:
        """``members`` is (R, C): who may stand in which row for this member and request."""
        self._entities = None if audience is None else audience.entities
        self._places = None if audience is None else audience.places
        self._unique = unique
        # Never changed, so that all copies of a page share it.
        self._members = members
        # What was used: it may stand nowhere any more, or not again in the open row.
        self._used = np.zeros(members.shape[1], np.bool_)
        # (R,) how many entities are left for each row; kept up to date as entities are used.
        self.left: IntArray = members.sum(axis=1, dtype=np.int32)

    def fork(self) -> "Supply":
        """A copy that goes on without this one's noticing; it takes (R,) and (C,), not (R, C)."""
        copy = object.__new__(Supply)
        copy._entities, copy._places, copy._unique = self._entities, self._places, self._unique
        copy._members, copy._used = self._members, self._used.copy()
        copy.left = self.left.copy()
        return copy

    def places(self, entities: Sequence[int]) -> Places:
        """Where entities (catalog indices) stand among the audience's columns."""
        return _at(self._places, entities)

    def entities_at(self, places: Places) -> IntArray:
        """Catalog indices of those that stand at some places."""
        if self._entities is None:
            return places.astype(np.int32)
        entities: IntArray = self._entities.take(places)
        return entities

    def places_left(self, row: int, open_row: int | None) -> Places:
        """Where those stand, sorted, that a row could still show."""
        there = self._members[row]
        if self._unique or row == open_row:
            there = there > self._used  # and not used
        left: Places = there.nonzero()[0]
        return left

    def unused(self, entities: IntArray) -> BoolArray:
        """Which of these may still come between two rows, where the rules let them: (...) each."""
        if not self._unique:
            return np.ones(entities.shape, np.bool_)
        if self._places is not None:
            entities = self._places[entities]
        free: BoolArray = ~self._used.take(entities)
        return free

    def may_show_of(self, rows: IntArray, entities: IntArray, open_row: int | None) -> BoolArray:
        """(k, n) which of n entities each of k rows could still show."""
        if self._places is not None:
            entities = self._places[entities]
        shown: BoolArray = self._members.take(rows, axis=0).take(entities, axis=1)
        if self._unique:
            shown &= ~self._used.take(entities)
        elif open_row is not None:
            shown[rows == open_row] &= ~self._used.take(entities)
        return shown

    def has(self, row: int, places: Places) -> bool:
        """Whether a row may show all of these now, each of them once."""
        if len(places) == 1:  # most decisions; a look at two numbers
            place = places[0]
            return bool(self._members[row, place] and not self._used[place])
        if len(set(places.tolist())) < len(places):
            return False
        return bool(self._members[row].take(places).all() and not self._used.take(places).any())

    def use(self, places: Places) -> None:
        """Entities, each named once and not used before, are used now."""
        self._used[places] = True
        if not self._unique:
            return
        if len(places) == 1:  # a view, five times faster than a list of one
            self.left -= self._members[:, places[0]]
        else:
            self.left -= self._members.take(places, axis=1).sum(axis=1, dtype=np.int32)

    def replay(self, entities: Sequence[int]) -> None:
        """Entities of a row that was shown before, some of which may be used already."""
        if self._unique:
            fresh = np.unique(self.places(entities))
            self.use(fresh[~self._used[fresh]])

    def close_row(self, entities: Sequence[int]) -> None:
        """A row of these was closed: where a title may stand in several, they come free again."""
        if not self._unique:
            self._used[self.places(entities)] = False


def members_of(
    catalog: Catalog,
    rules: Rules,
    context: Context,
    request: PageRequest,
    trends: Trends,
    audience: Audience,
) -> BoolArray:
    """(R, C) who may stand in which row for this member, as known by then, and this request."""
    members = audience.members.copy()
    for index, row in enumerate(catalog.rows):
        if row.entity_ids is None and row.kind in MEMBER_ROW_KINDS:
            own = _at(audience.places, member_row(row.kind, catalog, context, trends))
            members[index, own] = audience.offered[own]
    members[:, _at(audience.places, barred(catalog, rules, context, request))] = False
    return members


def _at(places: IntArray | None, entities: Sequence[int]) -> Places:
    """Where entities stand among an audience's columns; catalog indices where there is none."""
    chosen = np.array(entities, np.intp)
    return chosen if places is None else places[chosen].astype(np.intp)
