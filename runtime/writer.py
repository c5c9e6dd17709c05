"""Writing a page: which decision comes next, and what scores make of it.

Hybrid row decoding (Netflix Tech Blog, 2026-06-29): the first ``autoregressive`` entities of a row
are decided one by one, and the scores that decide the last of them fill the rest of the row too.
Of short rows (`tokenizer.page`) the tail is decided behind the last entity that is in the sequence,
and gives no tokens, so that the same scores decide the next row.
With `genpage.exploration` some decisions are drawn, by the page's id and the place alone.
Pure: it knows neither KV nor chunks, so a copy can write on with scores that are only a guess.
"""

from dataclasses import dataclass, field

import numpy as np

from genpage.exploration import seed_of
from genpage.grammar import DecodedRow
from genpage.page import FinishReason
from genpage.propensity import propensities
from genpage.supply import Places
from runtime.arrays import FloatArray, IntArray
from runtime.choice import RowChoice
from runtime.job import PageJob
from runtime.noise import gumbel
from runtime.recall import Recall
from runtime.selection import top
from tokenizer.page import entities_before_fill

# Where on a page a decision stands: (number of the row on the page, 0) is the opening of a row,
# (catalog index of the row, n) the n-th entity in it, n >= 1, with all that fills the row after it.
Place = tuple[int, int]

_NOTHING: IntArray = np.array([], np.int32)
# A float32 score divided by less would overflow; this cold, noise decides between equals alone.
_COLDEST = 1e-200


@dataclass(frozen=True, slots=True)
class Written:
    """A finished row; the others as in `runtime.output.RowDecoded`."""

    row: DecodedRow
    propensities: tuple[float, ...]
    choice: RowChoice | None = field(default=None, compare=False)


class PageWriter:
    """One page being written. Owns its grammar and advances it; one owner.

    ``reason`` is set when nothing is left to decide; it may be from the outset.
    """

    reason: FinishReason | None

    def __init__(self, job: PageJob) -> None:
        self._job = job
        self._grammar, self._appeal = job.grammar, job.appeal
        serialised = job.model.serialised
        self._before_fill = entities_before_fill(job.autoregressive, serialised)
        rows = job.grammar.rows
        # Tokens on the page so far: the address of the next decision's noise.
        self._position = sum(1 + len(row.entities) for row in rows)
        self._finished = len(rows)
        self._row = -1
        self._placed = 0
        # Of the row being placed, from its own on.
        self._chances: list[float] = []
        self._choice: RowChoice | None = None
        self._next_rows = _NOTHING
        self._explored_by = seed_of(job.drawn_as or job.page_id)
        # What rows promise at the page's end, once somebody asked.
        self._promised: FloatArray | None = None
        # Of a copy's guesses nobody is told how likely they were.
        self._told = True
        self.reason = None
        self._await_row()

    def fork(self) -> "PageWriter":
        """A copy that writes on without this one's noticing."""
        copy = object.__new__(PageWriter)
        copy._job, copy._before_fill = self._job, self._before_fill
        copy._grammar = self._grammar.fork()
        copy._appeal = None if self._appeal is None else self._appeal.fork()
        copy._position, copy._finished = self._position, self._finished
        copy._row, copy._placed = self._row, self._placed
        copy._chances, copy._choice = [], self._choice
        copy._next_rows, copy.reason = self._next_rows, self.reason
        copy._promised = self._promised
        copy._explored_by, copy._told = self._explored_by, False
        return copy

    @property
    def place(self) -> Place:
        """Where the next decision stands."""
        return (self._row, self._placed + 1) if self._grammar.room else (self._finished, 0)

    def passed(self, place: Place) -> bool:
        """Whether no decision will stand at this place any more."""
        row, number = place
        if number == 0:
            return row < self._finished or (row == self._finished and self._grammar.room > 0)
        if row == self._row and self._grammar.room:
            return number <= self._placed
        return not self._grammar.may_open_later(row)

    @property
    def fills(self) -> bool:
        """Whether the next decision is of all that is left of a row."""
        return self._grammar.room > 0 and self._placed >= self._before_fill

    @property
    def takes(self) -> int:
        """How many tokens the next decision gives; none where a tail is in no sequence."""
        return self._serialised(self._grammar.room, self._placed) if self.fills else 1

    @property
    def takes_behind(self) -> int:
        """How many tokens of entities the decision behind the next one would give.

        0: a row would open behind it, perhaps behind a tail that is in no sequence.
        """
        room = self._grammar.room
        if room == 0:  # the next one opens a row, which is as long as any
            placed, left = 0, self._grammar.entities_per_row
        else:
            placed, left = self._placed + self._count, room - self._count
        if left == 0:
            return 0
        return self._serialised(left, placed) if placed >= self._before_fill else 1

    @property
    def _count(self) -> int:
        """How many entities the next decision is of, in an open row."""
        return self._grammar.room if self.fills else 1

    def _serialised(self, count: int, placed: int) -> int:
        """How many of a row's ``count`` entities behind those ``placed`` are in the sequence."""
        serialised = self._job.model.serialised
        return count if serialised is None else min(count, max(0, serialised - placed))

    def decide(self, scores: FloatArray) -> tuple[IntArray, Written | None]:
        """Decide by the scores (R + E,): the tokens (n,) to feed, and the row that this finished.

        They are of the job's scope, where it has one. Raises `ArtefactError` where a score is not a
        number.
        """
        if self._grammar.room == 0:
            return self._open_row(scores[: len(self._job.model.row_tokens)]), None
        return self._place(scores)

    def recalled(self, earlier: Recall) -> IntArray | None:
        """What an earlier page has for the next decision, (k,) catalog indices; None: nothing."""
        if self._grammar.room == 0:
            row = earlier.row(self._next_rows)
            return None if row is None else np.array([row], np.int32)
        return earlier.titles(self._row, self._count, self._grammar)

    def tokens_of(self, chosen: IntArray) -> IntArray:
        """The tokens (n,) that the next decision gives if it is for these catalog indices (k,)."""
        model = self._job.model
        if self._grammar.room == 0:
            return model.row_tokens[chosen]
        return model.entity_tokens[chosen[: self._serialised(self._count, self._placed)]]

    def follow(self, chosen: IntArray) -> IntArray:
        """Write these catalog indices (k,) as decided, of a copy: the tokens (n,) of them."""
        tokens = self.tokens_of(chosen)
        if self._grammar.room == 0:
            self._open(int(chosen[0]))
        else:
            self._extend(chosen)
        return tokens

    def prepare(self) -> None:
        """Find out what the next decision needs whatever its scores are."""
        if self._grammar.room == 0 and self._appeal is not None and self._promised is None:
            self._promised = self._appeal.rows(self._grammar, self._next_rows)

    def guess(self, scores: FloatArray) -> IntArray:
        """The tokens (n,) that these scores (R + E,) would decide next; nothing is decided."""
        model = self._job.model
        told, self._told = self._told, False
        try:
            if self._grammar.room == 0:
                values = self._rows(scores[: len(model.row_tokens)])
                row, _ = self._choose(values, self._next_rows, 1, len(model.row_tokens))
                return self.tokens_of(row)
            count = self._count
            allowed, values = self._titles(scores, count)
            entities, _ = self._choose(values, allowed, count, len(model.entity_tokens))
            return self.tokens_of(entities)
        finally:
            self._told = told

    def _open_row(self, scores: FloatArray) -> IntArray:
        allowed = self._next_rows
        values = self._rows(scores)
        added = self._promised
        chosen, self._chances = self._choose(values, allowed, 1, len(scores))
        row = int(chosen[0])
        if self._told:
            self._choice = RowChoice.of(values, allowed, row, added)
        self._open(row)
        return self._job.model.row_tokens[chosen]

    def _open(self, row: int) -> None:
        self._promised = None
        self._row, self._placed = row, 0
        self._grammar.open_row(row)
        self._position += 1

    def _place(self, scores: FloatArray) -> tuple[IntArray, Written | None]:
        count = self._count
        allowed, values = self._titles(scores, count)
        entities, chances = self._choose(values, allowed, count, len(self._job.model.entity_tokens))
        self._chances += chances
        tokens = self.tokens_of(entities)
        self._extend(entities)
        if self._grammar.room:
            return tokens, None
        return tokens, Written(self._grammar.last, _of_places(self._chances), self._choice)

    def _extend(self, entities: IntArray) -> None:
        self._grammar.extend(entities.tolist())
        self._placed += len(entities)
        self._position += len(entities)
        if not self._grammar.room:
            self._finished += 1
            self._await_row()

    def _rows(self, scores: FloatArray) -> FloatArray:
        """(k,) values of the rows that may open next."""
        self.prepare()
        values = scores[self._next_rows]
        return values if self._promised is None else values + self._promised

    def _titles(self, scores: FloatArray, count: int) -> tuple[IntArray, FloatArray]:
        """Titles that may come next and their values (n,): the best ``count`` are among them."""
        job, grammar, appeal = self._job, self._grammar, self._appeal
        drawn = job.temperature > 0.0 or job.exploration.share > 0.0
        if appeal is not None and job.scope is None and not drawn:
            return appeal.best(grammar, scores[len(job.model.row_tokens) :], count)
        places = grammar.allowed_places()
        allowed = grammar.entities_at(places)
        columns = self._columns(places, allowed)
        added = None if appeal is None else appeal.added(grammar, allowed)
        # A copy's guesses may be rough.
        if job.scope is None or job.scope.refining is None or not self._told:
            values = scores.take(columns)
            return allowed, values if added is None else values + added
        few = len(allowed) if drawn else count
        kept, values = job.scope.refining.refined(scores, columns, added, few)
        return allowed[kept], values

    def _columns(self, places: Places, allowed: IntArray) -> Places:
        """Where in a line the scores of the titles ``allowed`` stand, behind those of rows."""
        rows, scope, audience = (
            len(self._job.model.row_tokens),
            self._job.scope,
            self._grammar.audience,
        )
        if scope is None:
            return rows + allowed.astype(np.intp)
        if audience is not None and audience.places is scope.places:
            return rows + places  # the same, without a look at each
        return rows + scope.places.take(allowed).astype(np.intp)

    def _choose(
        self, values: FloatArray, allowed: IntArray, count: int, size: int
    ) -> tuple[IntArray, list[float]]:
        """``count`` of ``allowed`` (n,) by their values (n,), in order, and each one's probability.

        ``allowed`` are indices of ``size`` there are. No probabilities stand for certainty, and for
        a copy's guesses.
        """
        job = self._job
        if job.temperature > 0.0:
            return self._sampled(values, allowed, count, size)
        if job.exploration.share == 0.0:
            return top(values, allowed, count), []
        best = top(values, np.arange(len(values), dtype=np.int32), count)
        seed, position = self._explored_by, self._position
        chosen = job.exploration.choose(values, best, seed=seed, position=position)
        chances = job.exploration.chances(values, chosen).tolist() if self._told else []
        return allowed[chosen.places], chances

    def _sampled(
        self, values: FloatArray, allowed: IntArray, count: int, size: int
    ) -> tuple[IntArray, list[float]]:
        """The same, all of it drawn at the job's temperature: nothing is left to explore."""
        job, temperature = self._job, max(self._job.temperature, _COLDEST)
        noise = gumbel(job.seed, self._position, size, allowed)
        chosen = top(values.astype(np.float64) / temperature + noise, allowed, count)
        if not self._told:
            return chosen, []
        drawn: list[float] = propensities(values, allowed, chosen, temperature).tolist()
        return chosen, drawn

    def _await_row(self) -> None:
        if self._finished >= self._job.rows:
            self.reason = "complete"
            return
        self._next_rows = self._grammar.allowed_rows()
        if not len(self._next_rows):
            self.reason = "exhausted"


def _of_places(chances: list[float]) -> tuple[float, ...]:
    """A row's chances by place: the first place stands for the choice of the row as well."""
    if not chances:
        return ()
    row, first, *others = chances
    return (row * first, *others)
