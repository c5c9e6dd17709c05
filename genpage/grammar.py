"""The page grammar: which row, and which entity in it, may come next.

A page is a list of rows, a row a list of entities. `PageGrammar` is the state of one page being
written. All rules intersect into one set of allowed catalog indices; decoders, samplers and
evaluations choose inside that set and report the choice back. It knows no tokens and no model.

Shape legend: R catalog rows, E catalog entities.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import BoolArray, Catalog
from genpage.context import Context
from genpage.eligibility import eligible
from genpage.member_rows import member_row
from genpage.request import PageRequest
from genpage.row import MEMBER_ROW_KINDS
from genpage.rules import Rules
from genpage.trends import Trends

IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """A finished row, by catalog indices."""

    row: int
    entities: tuple[int, ...]


class PageGrammar:
    """One page's state. Mutated by `open_row`, `add`, `extend` and `replay`; one owner.

    An array that it returns is valid until the next mutation and must not be changed.
    """

    def __init__(
        self,
        catalog: Catalog,
        rules: Rules,
        members: BoolArray,
        entities_per_row: int,
    ) -> None:
        """``members`` is (R, E): who may stand in which row for this member and request."""
        self.catalog = catalog
        self._rules = rules
        self._unique = rules.page.unique_entities
        self.entities_per_row = self._per_row = entities_per_row
        self._enough_pinned = min(rules.page.minimum_pinned, entities_per_row)
        # Never changed, so that all copies of a page share it.
        self._members = members
        # What was used: it may stand nowhere any more, or not again in the open row.
        self._used = np.zeros(members.shape[1], np.bool_)
        # How many entities are left for each row; kept up to date as entities are used.
        self._left: IntArray = members.sum(axis=1, dtype=np.int32)
        self._pins = rules.pinned(catalog)
        self._unpinned = np.ones(len(catalog.rows), np.bool_)
        self._unpinned[list(self._pins.values())] = False
        # Rows that have stood, or whose kind has stood often enough; no pin brings them back.
        self._spent = np.zeros(len(catalog.rows), np.bool_)
        self._kinds: dict[str, int] = {}
        self._rows: list[DecodedRow] = []
        self._open: int | None = None
        self._placed: list[int] = []
        self._room = 0
        # What `allowed_rows` found, until a title is used or a row closed.
        self._openable: IntArray | None = None

    @classmethod
    def start(
        cls,
        catalog: Catalog,
        rules: Rules,
        context: Context,
        request: PageRequest,
        trends: Trends,
    ) -> "PageGrammar":
        """An empty page for this member and request, under all the rules."""
        visible = context.before(request.at)
        members = catalog.rows_at(request.at)
        for index, row in enumerate(catalog.rows):
            if row.entity_ids is None and row.kind in MEMBER_ROW_KINDS:
                members[index, list(member_row(row.kind, catalog, visible, trends))] = True
        members &= eligible(catalog, rules, visible, request)
        return cls(catalog, rules, members, request.entities_per_row)

    def fork(self) -> "PageGrammar":
        """A copy that goes on without this one's noticing; it takes (R,) and (E,), not (R, E)."""
        copy = object.__new__(PageGrammar)
        copy.catalog, copy._rules, copy._unique = self.catalog, self._rules, self._unique
        copy._per_row, copy._enough_pinned = self._per_row, self._enough_pinned
        copy._pins, copy._unpinned = self._pins, self._unpinned
        copy._members, copy._used = self._members, self._used.copy()
        copy._left = self._left.copy()
        copy._spent, copy._kinds = self._spent.copy(), dict(self._kinds)
        copy._rows, copy._placed = list(self._rows), list(self._placed)
        copy._open, copy._room = self._open, self._room
        copy._openable = self._openable
        return copy

    @property
    def rows(self) -> tuple[DecodedRow, ...]:
        """The finished rows, in page order."""
        return tuple(self._rows)

    @property
    def last(self) -> DecodedRow:
        """The row finished last."""
        return self._rows[-1]

    @property
    def placed(self) -> tuple[int, ...]:
        """The entities of the open row so far."""
        return tuple(self._placed)

    @property
    def room(self) -> int:
        """How many entities the open row still takes; 0 when no row is open."""
        return self._room

    def allowed_rows(self) -> IntArray:
        """Sorted catalog indices of the rows that may open next; empty: the page is exhausted.

        At a pinned position that is the pinned row alone, if it has enough to show and no other
        rule keeps it away. Elsewhere every row that is not pinned, not spent, and can be filled.
        """
        if self._openable is None:
            self._openable = self._find_openable()
        return self._openable

    def _find_openable(self) -> IntArray:
        pinned = self._pins.get(len(self._rows))
        if (
            pinned is not None
            and not self._spent[pinned]
            and self._left[pinned] >= self._enough_pinned
        ):
            return np.array([pinned], np.int32)
        fits = self._unpinned & ~self._spent & (self._left >= self._per_row)
        return fits.nonzero()[0].astype(np.int32)

    def may_open_later(self, row: int) -> bool:
        """Whether a row that is not open may still come; it need not have enough to show."""
        return row != self._open and not self._spent[row]

    def left_for(self, row: int) -> IntArray:
        """Sorted catalog indices of the entities that a row could still show, open or not."""
        there = self._members[row]
        if self._unique or row == self._open:
            there = there > self._used  # and not used
        left: IntArray = there.nonzero()[0].astype(np.int32)
        return left

    def unused(self, entities: IntArray) -> BoolArray:
        """Which of these may still come between two rows, where the rules let them: (...) each."""
        if not self._unique:
            return np.ones(entities.shape, np.bool_)
        free: BoolArray = ~self._used.take(entities)
        return free

    def may_show_of(self, rows: IntArray, entities: IntArray) -> BoolArray:
        """(k, n) which of n entities each of k rows could still show, open or not."""
        shown: BoolArray = self._members[rows].take(entities, axis=1)
        if self._unique:
            shown &= ~self._used.take(entities)
        elif self._open is not None:
            shown[rows == self._open] &= ~self._used.take(entities)
        return shown

    def open_row(self, row: int) -> None:
        """Open a row; `ValueError` where it is not among `allowed_rows`. This is a bug."""
        if self._open is not None or row not in self.allowed_rows():
            raise ValueError(f"row {row} may not open here. This is a bug.")
        self._open = row
        self._placed = []
        self._room = min(self._per_row, int(self._left[row]))

    def allowed_entities(self) -> IntArray:
        """Sorted catalog indices of the entities that may come next in the open row."""
        if self._open is None:
            return np.array([], np.int32)
        return self.left_for(self._open)

    def add(self, entity: int) -> None:
        """Place an entity; the row closes when it is full."""
        self.extend((entity,))

    def extend(self, entities: Sequence[int]) -> None:
        """Place entities in order; `ValueError` where one is not allowed. This is a bug.

        The row closes when it is full.
        """
        if not entities:
            return
        row = self._open
        chosen = np.array(entities, np.intp)
        if (
            row is None
            or len(chosen) > self._room
            or len(set(entities)) < len(chosen)
            or not self._members[row].take(chosen).all()
            or self._used.take(chosen).any()
        ):
            raise ValueError(f"entities {list(entities)} may not stand here. This is a bug.")
        self._placed += entities
        self._use(chosen)
        self._room -= len(chosen)
        if self._room == 0:
            if not self._unique:
                # Once in a row, but the row may come again with them.
                self._used[self._placed] = False
            self._close(row)

    def replay(self, rows: Iterable[DecodedRow]) -> None:
        """Put rows on the page that were shown before, whatever the rules say of them now.

        A continued page keeps its earlier rows even if a licence ended in between; what stands in
        them still counts as used.
        """
        for shown in rows:
            if self._unique:
                entities = np.unique(np.array(shown.entities, np.intp))
                self._use(entities[~self._used[entities]])
            self._placed = list(shown.entities)
            self._close(shown.row)

    def _use(self, entities: NDArray[np.intp]) -> None:
        """Entities, each named once and not used before, are used now."""
        self._openable = None
        self._used[entities] = True
        if not self._unique:
            return
        if len(entities) == 1:  # a view, five times faster than a list of one
            self._left -= self._members[:, entities[0]]
        else:
            self._left -= self._members.take(entities, axis=1).sum(axis=1, dtype=np.int32)

    def _close(self, row: int) -> None:
        self._openable = None
        kind = self.catalog.rows[row].kind
        self._rows.append(DecodedRow(row, tuple(self._placed)))
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self._rules.page.unique_rows:
            self._spent[row] = True
        limit = self._rules.row_kinds.get(kind)
        if limit is not None and self._kinds[kind] >= limit.per_page:
            for index, other in enumerate(self.catalog.rows):
                if other.kind == kind:
                    self._spent[index] = True
        self._open, self._placed, self._room = None, [], 0
