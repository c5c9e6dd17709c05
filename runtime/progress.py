"""Where a page stands: how far it is written, what comes next, and how many tokens that gives.

Of short rows (`tokenizer.page`) the tail is decided behind the last entity that is in the sequence,
and gives no tokens.
"""

from genpage.grammar import PageGrammar
from runtime.job import PageJob
from tokenizer.page import entities_before_fill

# Where on a page a decision stands: (number of the row on the page, 0) is the opening of a row,
# (catalog index of the row, n) the n-th entity in it, n >= 1, with all that fills the row after it.
Place = tuple[int, int]


class Progress:
    """Of one page; mutated by `opened` and `extended`; one owner, as the page.

    ``finished`` counts rows. ``row`` is the catalog index of the open one, of the last one between
    two, None before the first.
    """

    def __init__(self, job: PageJob) -> None:
        self._serialised = job.model.serialised
        self._before_fill = entities_before_fill(job.autoregressive, self._serialised)
        self._grammar = job.grammar
        self.finished = len(job.grammar.rows)
        self.row: int | None = None
        self._placed = 0

    def fork(self, grammar: PageGrammar) -> "Progress":
        """A copy over a copy of the grammar."""
        copy = object.__new__(Progress)
        copy._serialised, copy._before_fill = self._serialised, self._before_fill
        copy._grammar = grammar
        copy.finished, copy.row, copy._placed = self.finished, self.row, self._placed
        return copy

    def opened(self, row: int) -> None:
        """A row was opened."""
        self.row, self._placed = row, 0

    def extended(self, entities: int) -> None:
        """So many entities were placed."""
        self._placed += entities
        if not self._grammar.room:
            self.finished += 1

    @property
    def position(self) -> int:
        """How many rows and titles stand on the page: where the next choice is drawn."""
        return self._grammar.standing

    @property
    def place(self) -> Place:
        """Where the next decision stands."""
        if self.row is None or not self._grammar.room:
            return (self.finished, 0)
        return (self.row, self._placed + 1)

    def passed(self, place: Place) -> bool:
        """Whether no decision will stand at this place any more."""
        row, number = place
        if number == 0:
            return row < self.finished or (row == self.finished and self._grammar.room > 0)
        if row == self.row and self._grammar.room:
            return number <= self._placed
        return not self._grammar.may_open_later(row)

    @property
    def fills(self) -> bool:
        """Whether the next decision is of all that is left of a row."""
        return self._grammar.room > 0 and self._placed >= self._before_fill

    @property
    def count(self) -> int:
        """How many entities the next decision is of, in an open row."""
        return self._grammar.room if self.fills else 1

    @property
    def told(self) -> int:
        """How many of those are in the sequence."""
        return self._in_sequence(self.count, self._placed)

    @property
    def takes(self) -> int:
        """How many tokens the next decision gives; none where a tail is in no sequence."""
        return self.told if self.fills else 1

    @property
    def takes_behind(self) -> int:
        """How many tokens of entities the decision behind the next one would give.

        0: a row would open behind it, perhaps behind a tail that is in no sequence.
        """
        room = self._grammar.room
        if room == 0:  # the next one opens a row, which is as long as any
            placed, left = 0, self._grammar.entities_per_row
        else:
            placed, left = self._placed + self.count, room - self.count
        if left == 0:
            return 0
        return self._in_sequence(left, placed) if placed >= self._before_fill else 1

    def _in_sequence(self, count: int, placed: int) -> int:
        """How many of a row's ``count`` entities behind those ``placed`` are in the sequence."""
        return count if self._serialised is None else min(count, max(0, self._serialised - placed))
