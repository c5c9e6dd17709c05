"""Decoding one page: which tokens the trunk is fed next, and what their scores decide.

A pure state machine over the page's grammar. The page's *sequence* is its prompt followed by its
row and entity tokens, left to right, top to bottom. Hybrid row decoding (Netflix Tech Blog,
2026-06-29): the first ``autoregressive`` entities of a row are decoded one by one, and the scores
that decide the last of them fill the rest of the row too. In passes, for rows of 20 and N = 4::

    row, e1, e2, e3      each fed alone, the scores after each deciding the next
    e4 ... e20           decided by the scores after e3, fed as one chunk; the scores after its
                         last token decide the next row. Behind the last row nothing is fed.

That is N passes a row and one between rows: 49 for 10 rows, 209 with N = 20.

The engine feeds `Decoder.chunk` and hands the scores of its last position to `Decoder.take`.
Tokens, positions and noise are addressed absolutely, so that feeding drafts in the same chunk only
takes moving ``start`` back to what was accepted.
"""

import numpy as np

from genpage.grammar import DecodedRow
from genpage.page import FinishReason
from runtime.arrays import FloatArray, IntArray
from runtime.chunk import Chunk
from runtime.job import PageJob
from runtime.noise import gumbel
from runtime.propensity import propensities
from runtime.selection import Values, top

_NOTHING: IntArray = np.array([], np.int32)
# A float32 score divided by less would overflow; this cold, noise decides between equals alone.
_COLDEST = 1e-200


class Decoder:
    """One page being decoded. Owns the job's grammar and advances it; one owner.

    ``start`` is how many tokens of the sequence the KV slot holds, ``pending`` (n,) those decided
    and not fed yet. ``reason`` is set when nothing is left to decide; it may be from the outset.
    """

    start: int
    pending: IntArray
    reason: FinishReason | None
    # Of the row finished last: the probability of each place; empty where nothing was drawn.
    propensities: tuple[float, ...]

    def __init__(self, job: PageJob) -> None:
        self._job = job
        self._grammar = job.grammar
        rows = job.grammar.rows
        # Tokens on the page so far: the address of the next decision's noise.
        self._position = sum(1 + len(row.entities) for row in rows)
        self._placed = 0
        self.start = 0
        self.pending = np.concatenate((job.prompt, *map(self._serialised, self._unfed())))
        self.reason = None
        self.propensities = ()
        # Of the row being placed, from its own on.
        self._chances: list[float] = []
        self._next_rows = _NOTHING
        self._await_row(len(rows))

    @property
    def length(self) -> int:
        """The tokens that the sequence has by now, fed or not: what the KV slot must hold."""
        return self.start + len(self.pending)

    def resume(self, cached: int) -> None:
        """The KV slot holds the first ``cached`` tokens of the sequence already."""
        self.start, self.pending = cached, self.pending[cached:]

    def chunk(self, slot: int, limit: int) -> Chunk:
        """The next pass: the first ``limit`` of the pending tokens, or all."""
        pending = self.pending
        return Chunk(slot, self.start, pending if len(pending) <= limit else pending[:limit])

    def fed(self, chunk: Chunk) -> bool:
        """A chunk was run. Whether it was the last one pending, so that `take` is due."""
        fed = len(chunk.tokens)
        self.start += fed
        self.pending = self.pending[fed:]
        return not len(self.pending)

    def take(self, scores: FloatArray) -> tuple[DecodedRow, ...]:
        """Decide by the scores (R + E,) after the last token fed; the rows that this finished.

        Sets ``pending``, and ``reason`` at the page's end. Raises `ArtefactError` where a score
        is not a number.
        """
        rows_of_catalog = len(self._job.model.row_tokens)
        if self._grammar.room == 0:
            self._open_row(scores[:rows_of_catalog])
            return ()
        return self._place(scores[rows_of_catalog:])

    def _open_row(self, scores: FloatArray) -> None:
        allowed, appeal = self._next_rows, self._job.appeal
        if appeal is not None:
            scores = scores.copy()
            scores[allowed] += appeal.rows(self._grammar, allowed)
        row = top(self._values(scores, allowed), allowed, 1)
        self._chances = self._drawn(scores, allowed, row)
        self._grammar.open_row(int(row[0]))
        self._placed = 0
        self._feed(self._job.model.row_tokens[row])

    def _place(self, scores: FloatArray) -> tuple[DecodedRow, ...]:
        grammar, appeal = self._grammar, self._job.appeal
        if appeal is not None:
            scores = scores + appeal.entities
        allowed = grammar.allowed_entities()
        fills = self._placed + 1 >= self._job.autoregressive
        entities = top(self._values(scores, allowed), allowed, grammar.room if fills else 1)
        self._chances += self._drawn(scores, allowed, entities)
        grammar.extend(entities.tolist())
        self._placed += len(entities)
        self._feed(self._job.model.entity_tokens[entities])
        if grammar.room:
            return ()
        if self._chances:
            # The row's first place stands for the choice of the row as well.
            row, first, *others = self._chances
            self.propensities = (row * first, *others)
        rows = grammar.rows
        self._await_row(len(rows))
        return (rows[-1],)

    def _values(self, scores: FloatArray, allowed: IntArray) -> Values:
        job = self._job
        values = scores[allowed]
        if job.temperature == 0.0:
            return values
        noise = gumbel(job.seed, self._position, len(scores), allowed)
        return values.astype(np.float64) / max(job.temperature, _COLDEST) + noise

    def _drawn(self, scores: FloatArray, allowed: IntArray, chosen: IntArray) -> list[float]:
        """The probability of each of ``chosen``; nothing where the best are taken."""
        if self._job.temperature == 0.0:
            return []
        temperature = max(self._job.temperature, _COLDEST)
        drawn: list[float] = propensities(scores[allowed], allowed, chosen, temperature).tolist()
        return drawn

    def _feed(self, tokens: IntArray) -> None:
        self.pending = tokens
        self._position += len(tokens)

    def _await_row(self, finished: int) -> None:
        if finished >= self._job.rows:
            self.reason = "complete"
            return
        self._next_rows = self._grammar.allowed_rows()
        if not len(self._next_rows):
            self.reason = "exhausted"

    def _unfed(self) -> tuple[DecodedRow, ...]:
        return self._grammar.rows[self._job.prompt_rows :]

    def _serialised(self, row: DecodedRow) -> IntArray:
        model = self._job.model
        return np.concatenate(
            (model.row_tokens[row.row : row.row + 1], model.entity_tokens[list(row.entities)])
        )
