"""Decoding one page: which tokens the trunk is fed next, and what their scores decide.

The page's *sequence* is its prompt followed by its row and entity tokens, left to right, top to
bottom. `runtime.writer` decides; in passes, for rows of 20 and N = 4 autoregressive entities::

    row, e1, e2, e3      each fed alone, the scores after each deciding the next
    e4 ... e20           decided by the scores after e3, fed as one chunk; the scores after its
                         last token decide the next row. Behind the last row nothing is fed.

That is N passes a row and one between rows: 49 for 10 rows, 209 with N = 20. Of short rows
(`tokenizer.page`, here of 4) a tail is never fed, and the scores that decide it open the next row::

    row, e1, e2, e3      each fed alone, the scores after each deciding the next
    e4                   fed alone; the scores after it decide e5 ... e20 and the next row

With a `Drafter` a pass carries tokens behind those decided that will probably come next, and is
scored at each of them. What the scores decide is compared with the draft token by token: as far as
they agree, the next decision's scores are there already. Where they part, the sequence goes on from
the token that was decided, as it would have without the draft, so that the page is the same bit for
bit.
"""

from collections.abc import Sequence

import numpy as np

from genpage.grammar import DecodedRow
from genpage.page import FinishReason
from runtime.arrays import FloatArray, IntArray
from runtime.chunk import Chunk
from runtime.draft import NO_DRAFT, Drafter, Step
from runtime.job import PageJob
from runtime.pace import BEFORE, Pace
from runtime.prefix import common_prefix
from runtime.recall import Recall
from runtime.shown import Shown
from runtime.writer import PageWriter
from runtime.written import Written

# As many tokens as the slot has room for.
UNBOUNDED = 1 << 30


class Decoder:
    """One page being decoded. Owns the job's grammar and advances it; one owner.

    ``start`` is how many tokens of the sequence the KV slot holds, ``pending`` (n,) those decided
    and not fed yet. With a ``pace`` it drafts.
    """

    start: int
    pending: IntArray

    def __init__(self, job: PageJob, pace: Pace | None = None) -> None:
        self._job = job
        self._writer = PageWriter(job)
        self._capacity = job.model.backend.capacity
        self._drafter = None if pace is None else Drafter(pace, job.model.foresight)
        self._draft = NO_DRAFT
        self._earlier: Shown | None = None
        unfed, most = job.grammar.rows[job.prompt_rows :], job.model.serialised
        self.start = 0
        self.pending = np.concatenate((job.prompt, *(_tokens(job, row, most) for row in unfed)))

    @property
    def reason(self) -> FinishReason | None:
        """Why nothing is left to decide; None while something is. It may be set from the outset."""
        return self._writer.reason

    @property
    def length(self) -> int:
        """The tokens that the sequence has by now, fed or not: what the KV slot must hold."""
        return self.start + len(self.pending)

    @property
    def shown(self) -> Shown | None:
        """The page, where it came to its end."""
        return None if self.reason is None else Shown.of(self._job.grammar.rows, self._job.model)

    def resume(self, cached: int, earlier: Shown | None = None) -> None:
        """The KV slot holds the first ``cached`` tokens of the sequence already.

        ``earlier`` is the member's page before this one, which `anticipate` drafts from.
        """
        self.start, self.pending = cached, self.pending[cached:]
        self._earlier = earlier

    def anticipate(self, draft_tokens: int = UNBOUNDED) -> None:
        """Draft from the page before already, so that the prompt's last pass verifies it.

        Once, behind `resume`; without a page before nothing is drafted before there are scores.
        """
        if self._drafter is not None and self._earlier is not None:
            self._drafter.guesses.recall = Recall.of(self._earlier.rows_in(self._job.model))
            self._earlier = None
            self._guess_on(self._drafter, draft_tokens)

    def chunk(self, slot: int, limit: int = UNBOUNDED, spare: int = UNBOUNDED) -> Chunk:
        """The next pass: the first ``limit`` of the pending tokens, or all with the draft.

        A draft gives way to ``spare``: what does not fit is guessed anew behind the pass.
        """
        pending = self.pending
        if len(pending) > limit:
            return Chunk(slot, self.start, pending[:limit])
        self._draft = self._draft.within(spare)
        draft = self._draft.tokens
        if not len(draft):
            return Chunk(slot, self.start, pending)
        tokens = np.concatenate((pending, draft))
        return Chunk(slot, self.start, tokens, scored=1 + len(draft))

    def fed(self, chunk: Chunk) -> bool:
        """A chunk was run. Whether it was the last one pending, so that `take` is due."""
        fed = min(len(chunk.tokens), len(self.pending))
        self.start += fed
        self.pending = self.pending[fed:]
        return not len(self.pending)

    def take(
        self,
        scores: FloatArray,
        draft_tokens: int = UNBOUNDED,
        hidden: FloatArray | None = None,
    ) -> tuple[Written, ...]:
        """Decide by the scores (n, R + E) behind the last pending token and each of the draft.

        ``hidden`` (n, d) are the states that they are of, for a draft head to go on from.

        Returns the rows that this finished. Sets ``pending``, and ``reason`` at the page's end. The
        next draft has at most ``draft_tokens``. Raises `ArtefactError` where a score is not a
        number. ``scores`` must stay as they are.
        """
        draft, self._draft = self._draft, NO_DRAFT
        rows: list[Written] = []
        accepted = 0
        while True:
            row = self._decide(scores[accepted])
            if row is not None:
                rows.append(row)
            agreed = common_prefix(self.pending, draft.tokens[accepted:])
            accepted += agreed
            self.start += agreed
            self.pending = self.pending[agreed:]
            if len(self.pending) or self.reason is not None:
                break
        if self._drafter is not None and self.reason is None:
            self._judge(self._drafter, scores, accepted, draft.steps)
            if hidden is not None:
                self._drafter.guesses.foretold.begin(hidden[accepted], self.pending)
            self._guess_on(self._drafter, draft_tokens)
        return tuple(rows)

    def _guess_on(self, drafter: Drafter, draft_tokens: int) -> None:
        room = min(draft_tokens, self._capacity - self.length)
        self._draft = drafter.draft(self._writer, room, len(self.pending))

    def _decide(self, scores: FloatArray) -> Written | None:
        writer = self._writer
        if self._drafter is None:
            self.pending, row = writer.decide(scores)
            return row
        guesses = self._drafter.guesses
        guesses.seen(writer.place, scores)
        # Whether the page before has the same is seen without a draft, too.
        recalled = guesses.recalled(writer) if writer.takes else None
        foreseen = None if recalled is None else writer.tokens_of(recalled.chosen)
        self.pending, row = writer.decide(scores)
        if recalled is not None and foreseen is not None:
            guesses.tried(recalled.source, hit=np.array_equal(self.pending, foreseen))
        return row

    def _judge(
        self,
        drafter: Drafter,
        scores: FloatArray,
        accepted: int,
        steps: Sequence[Step],
    ) -> None:
        """Tell the pace what the draft came to; keep what was scored behind its first mistake."""
        for number, step in enumerate(steps):
            begun = steps[number - 1].end if number else 0
            hit = step.end <= accepted
            # A tail in no sequence gives nothing to verify; the page before was compared already.
            if begun <= accepted and begun < step.end and step.source not in BEFORE:
                drafter.guesses.tried(step.source, hit=hit)
            if not hit and number + 1 < len(steps):
                drafter.guesses.keep(steps[number + 1].place, scores[step.end])


def _tokens(job: PageJob, row: DecodedRow, entities: int | None) -> IntArray:
    """A row's token and those of its first ``entities``; None: of all."""
    model = job.model
    return np.concatenate(
        (
            model.row_tokens[row.row : row.row + 1],
            model.entity_tokens[list(row.entities[:entities])],
        )
    )
