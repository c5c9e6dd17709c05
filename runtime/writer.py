"""Writing a page: which decision comes next, and what scores make of it.

Hybrid row decoding (Netflix Tech Blog, 2026-06-29): the first ``autoregressive`` entities of a row
are decided one by one, and the scores that decide the last of them fill the rest of the row too.
Of short rows (`runtime.progress`) the tail gives no tokens, so that the same scores decide the next
row. How scores become a choice is `runtime.chooser`'s.
Pure: it knows neither KV nor chunks, so a copy can write on with scores that are only a guess.
"""

import numpy as np

from genpage.page import FinishReason
from runtime.arrays import FloatArray, IntArray
from runtime.choice import RowChoice
from runtime.chooser import Chooser
from runtime.foretold import Foretold
from runtime.job import PageJob
from runtime.progress import Place, Progress
from runtime.recall import Recall
from runtime.written import Written

_NOTHING: IntArray = np.array([], np.int32)


class PageWriter:
    """One page being written. Owns its grammar and advances it; one owner.

    ``reason`` is set when nothing is left to decide; it may be from the outset.
    """

    reason: FinishReason | None

    def __init__(self, job: PageJob) -> None:
        self._job = job
        self._grammar, self._appeal = job.grammar, job.appeal
        self._progress, self._chooser = Progress(job), Chooser(job)
        # Of the row being placed, from its own on.
        self._chances: list[float] = []
        self._choice: RowChoice | None = None
        self._next_rows = _NOTHING
        # What rows promise at the page's end, once somebody asked.
        self._promised: FloatArray | None = None
        # Of a copy's guesses nobody is told how likely they were.
        self._told = True
        self.reason = None
        self._await_row()

    def fork(self) -> "PageWriter":
        """A copy that writes on without this one's noticing."""
        copy = object.__new__(PageWriter)
        copy._job, copy._chooser = self._job, self._chooser
        copy._grammar = self._grammar.fork()
        copy._progress = self._progress.fork(copy._grammar)
        copy._appeal = None if self._appeal is None else self._appeal.fork()
        copy._chances, copy._choice = [], self._choice
        copy._next_rows, copy.reason = self._next_rows, self.reason
        copy._promised, copy._told = self._promised, False
        return copy

    @property
    def place(self) -> Place:
        """Where the next decision stands."""
        return self._progress.place

    def passed(self, place: Place) -> bool:
        """Whether no decision will stand at this place any more."""
        return self._progress.passed(place)

    @property
    def fills(self) -> bool:
        """Whether the next decision is of all that is left of a row."""
        return self._progress.fills

    @property
    def takes(self) -> int:
        """How many tokens the next decision gives; none where a tail is in no sequence."""
        return self._progress.takes

    @property
    def takes_behind(self) -> int:
        """How many tokens of entities the decision behind the next would give; 0: none, a row."""
        return self._progress.takes_behind

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
        standing = self._progress.row
        if standing is None or self._grammar.room == 0:
            row = earlier.row(self._next_rows)
            return None if row is None else np.array([row], np.int32)
        return earlier.titles(standing, self._progress.count, self._grammar)

    def tokens_of(self, chosen: IntArray) -> IntArray:
        """The tokens (n,) that the next decision gives if it is for these catalog indices (k,)."""
        model = self._job.model
        if self._grammar.room == 0:
            return model.row_tokens[chosen]
        return model.entity_tokens[chosen[: self._progress.told]]

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

    def guess(self, scores: FloatArray, foretold: Foretold | None = None) -> IntArray:
        """The catalog indices (k,) that these scores (R + E,) would choose next.

        Or what is ``foretold``, of the titles that these scores think well of.
        """
        told, self._told = self._told, False
        try:
            if self._grammar.room == 0:
                rows = scores if foretold is None else foretold.rows()
                return self._best_row(self._rows(rows))[0]
            return self._best_titles(scores, foretold)[0]
        finally:
            self._told = told

    def _open_row(self, scores: FloatArray) -> IntArray:
        allowed = self._next_rows
        values = self._rows(scores)
        added = self._promised
        chosen, self._chances = self._best_row(values)
        row = int(chosen[0])
        if self._told:
            self._choice = RowChoice.of(values, allowed, row, added)
        self._open(row)
        return self._job.model.row_tokens[chosen]

    def _open(self, row: int) -> None:
        self._promised = None
        self._grammar.open_row(row)
        self._progress.opened(row)

    def _place(self, scores: FloatArray) -> tuple[IntArray, Written | None]:
        entities, chances = self._best_titles(scores)
        self._chances += chances
        tokens = self.tokens_of(entities)
        self._extend(entities)
        if self._grammar.room:
            return tokens, None
        return tokens, Written.of(self._grammar.last, self._chances, self._choice)

    def _extend(self, entities: IntArray) -> None:
        self._grammar.extend(entities.tolist())
        self._progress.extended(len(entities))
        if not self._grammar.room:
            self._await_row()

    def _rows(self, scores: FloatArray) -> FloatArray:
        """(k,) values of the rows that may open next."""
        self.prepare()
        values = scores[self._next_rows]
        return values if self._promised is None else values + self._promised

    def _best_row(self, values: FloatArray) -> tuple[IntArray, list[float]]:
        """The row to open by the values (k,) of those that may, (1,), and its probability."""
        size, position = len(self._job.model.row_tokens), self._progress.position
        return self._chooser.choose(values, self._next_rows, 1, size, position, told=self._told)

    def _best_titles(
        self, scores: FloatArray, foretold: Foretold | None = None
    ) -> tuple[IntArray, list[float]]:
        """The titles to place, in order, and each one's probability."""
        told, size = self._told, len(self._job.model.entity_tokens)
        count, position = self._progress.count, self._progress.position
        of = (self._grammar, self._appeal)
        if foretold is not None:
            allowed, values = self._chooser.foretold(scores, count, *of, foretold)
        else:  # a copy's guesses may be rough
            allowed, values = self._chooser.titles(scores, count, *of, exact=told)
        return self._chooser.choose(values, allowed, count, size, position, told=told)

    def _await_row(self) -> None:
        if self._progress.finished >= self._job.rows:
            self.reason = "complete"
            return
        self._next_rows = self._grammar.allowed_rows()
        if not len(self._next_rows):
            self.reason = "exhausted"
