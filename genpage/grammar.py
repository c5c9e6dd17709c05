"""The page grammar: which row, and which entity in it, may come next.

A page is a list of rows, a row a list of entities. `PageGrammar` is the state of one page being
written. All rules intersect into one set of allowed catalog indices; decoders, samplers and
evaluations choose inside that set and report the choice back. It knows no tokens and no model.

Which titles are left for a row (R, C) is `genpage.supply`'s, whose turn it is `genpage.turns`'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from genpage.audience import Audience, Audiences
from genpage.catalog import BoolArray, Catalog
from genpage.context import Context
from genpage.eligibility import Viewer
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.supply import IntArray, Places, Supply, members_of
from genpage.trends import Trends
from genpage.turns import Turns


@dataclass(frozen=True, slots=True)
class DecodedRow:
    """A finished row, by catalog indices."""

    row: int
    entities: tuple[int, ...]


class PageGrammar:
    """One page's state. Mutated by `open_row`, `add`, `extend` and `replay`; one owner.

    ``room`` is how many entities the open row still takes, 0 when none is open; ``standing`` how
    many rows and entities stand on the page so far, the open row's among them.
    An array that it returns is valid until the next mutation and must not be changed.
    """

    def __init__(
        self,
        catalog: Catalog,
        rules: Rules,
        members: BoolArray,
        entities_per_row: int,
        audience: Audience | None = None,
    ) -> None:
        """``members`` is (R, C): who may stand in which row for this member and request.

        The columns are the ``audience``'s; all entities where there is none.
        """
        self.catalog = catalog
        self.audience = audience
        self._supply = Supply(members, audience, unique=rules.page.unique_entities)
        self.entities_per_row = entities_per_row
        self._turns = Turns(catalog, rules, entities_per_row)
        self._rows: list[DecodedRow] = []
        self._open: int | None = None
        self._placed: list[int] = []
        self.room = self.standing = 0
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
        audiences: Audiences | None = None,
    ) -> "PageGrammar":
        """An empty page for this member and request, under all the rules.

        ``audiences`` are the catalog's under these rules, where they are kept.
        """
        visible = context.before(request.at)
        viewer = Viewer.of(catalog, rules, visible, request)
        if audiences is None:
            audience = Audience.of(catalog, rules, viewer, request.at)
        else:
            audience = audiences.at(viewer, request.at)
        members = members_of(catalog, rules, visible, request, trends, audience)
        return cls(catalog, rules, members, request.entities_per_row, audience)

    def fork(self) -> "PageGrammar":
        """A copy that goes on without this one's noticing; it takes (R,) and (C,), not (R, C)."""
        copy = object.__new__(PageGrammar)
        copy.catalog, copy.audience = self.catalog, self.audience
        copy.entities_per_row = self.entities_per_row
        copy._supply, copy._turns = self._supply.fork(), self._turns.fork()
        copy._rows, copy._placed = list(self._rows), list(self._placed)
        copy._open, copy.room, copy._openable = self._open, self.room, self._openable
        copy.standing = self.standing
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

    def allowed_rows(self) -> IntArray:
        """Sorted catalog indices of the rows that may open next; empty: the page is exhausted."""
        if self._openable is None:
            self._openable = self._turns.may_open(len(self._rows), self._supply.left)
        return self._openable

    def may_open_later(self, row: int) -> bool:
        """Whether a row that is not open may still come; it need not have enough to show."""
        return row != self._open and not self._turns.over(row)

    def left_for(self, row: int) -> IntArray:
        """Sorted catalog indices of the entities that a row could still show, open or not."""
        return self.entities_at(self._supply.places_left(row, self._open))

    def entities_at(self, places: Places) -> IntArray:
        """Catalog indices of those that stand at some places of the audience."""
        return self._supply.entities_at(places)

    def unused(self, entities: IntArray) -> BoolArray:
        """Which of these may still come between two rows, where the rules let them: (...) each."""
        return self._supply.unused(entities)

    def may_show_of(self, rows: IntArray, entities: IntArray) -> BoolArray:
        """(k, n) which of n entities each of k rows could still show, open or not."""
        return self._supply.may_show_of(rows, entities, self._open)

    def open_row(self, row: int) -> None:
        """Open a row; `ValueError` where it is not among `allowed_rows`. This is a bug."""
        if self._open is not None or row not in self.allowed_rows():
            raise ValueError(f"row {row} may not open here. This is a bug.")
        self._open = row
        self.standing += 1
        self.room = min(self.entities_per_row, int(self._supply.left[row]))

    def allowed_entities(self) -> IntArray:
        """Sorted catalog indices of the entities that may come next in the open row."""
        return self.entities_at(self.allowed_places())

    def allowed_places(self) -> Places:
        """Where `allowed_entities` stand in the audience, in the same order."""
        if self._open is None:
            return np.array([], np.intp)
        return self._supply.places_left(self._open, self._open)

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
        chosen = self._supply.places(entities)
        if row is None or len(chosen) > self.room or not self._supply.has(row, chosen):
            raise ValueError(f"entities {list(entities)} may not stand here. This is a bug.")
        self._placed += entities
        self._openable = None
        self._supply.use(chosen)
        self.room -= len(chosen)
        self.standing += len(chosen)
        if self.room == 0:
            self._supply.close_row(self._placed)
            self._close(row)

    def replay(self, rows: Iterable[DecodedRow]) -> None:
        """Put rows on the page that were shown before, whatever the rules say of them now.

        A continued page keeps its earlier rows even if a licence ended in between; what stands in
        them still counts as used.
        """
        for shown in rows:
            self._supply.replay(shown.entities)
            self._placed = list(shown.entities)
            self.standing += 1 + len(shown.entities)
            self._close(shown.row)

    def _close(self, row: int) -> None:
        self._rows.append(DecodedRow(row, tuple(self._placed)))
        self._turns.stood(row)
        self._open, self._placed, self.room, self._openable = None, [], 0, None
