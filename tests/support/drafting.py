"""Pages decoded by hand, with drafts."""

from collections.abc import Sequence

import numpy as np
from naive_decoder import scores_after

from genpage.grammar import DecodedRow
from runtime.arrays import FloatArray, IntArray
from runtime.decoder import Decoder
from runtime.fake import EMPTY, FakeModel, absorb, hidden_of
from runtime.foresight import Foresight
from runtime.job import PageJob
from runtime.pace import Pace
from runtime.shown import Shown


class Seer(Foresight):
    """A draft head over the fake model that knows what it is going to say, or nothing of it."""

    def __init__(self, model: FakeModel, *, knows: bool = True) -> None:
        self._fake, self._sign = model.head, np.float32(1.0 if knows else -1.0)
        self._first = len(model.row_tokens)
        self.asked = 0

    def begin(self, hidden: FloatArray) -> FloatArray:
        """The fake's own state, whose parts stand for a prefix's hash."""
        return hidden

    def follow(self, state: FloatArray, tokens: IntArray) -> FloatArray:
        """That of a longer prefix."""
        held = sum(int(part) << (16 * place) for place, part in enumerate(state))
        for token in tokens.tolist():
            held = absorb(held, token)
        return np.array(hidden_of(held), np.float32)

    def rows(self, state: FloatArray) -> FloatArray:
        """The fake's own, or upside down."""
        return self._scores(state)[: self._first]

    def titles(self, state: FloatArray, entities: IntArray) -> FloatArray:
        """Likewise."""
        return self._scores(state)[self._first + entities]

    def _scores(self, state: FloatArray) -> FloatArray:
        self.asked += 1
        scores: FloatArray = self._fake.scores(state[None])[0] * self._sign
        return scores


def hidden_after(tokens: Sequence[int]) -> list[float]:
    """The fake trunk's hidden state behind these."""
    state = EMPTY
    for token in tokens:
        state = absorb(state, token)
    return hidden_of(state)


def eager(chance: float) -> Pace:
    """A pace that believes every draft to be right so often, and tokens to cost nothing."""
    pace = Pace()
    pace._hits = {source: chance * tries for source, tries in pace._tries.items()}
    pace.token = 0.0
    return pace


def decode(
    job: PageJob, model: FakeModel, pace: Pace | None, earlier: Sequence[DecodedRow] = ()
) -> tuple[list[DecodedRow], list[int]]:
    """A page by hand: its rows, and the tokens of each pass."""
    decoder = Decoder(job, pace)
    decoder.resume(0, Shown.of(earlier, model))
    decoder.anticipate()
    rows: list[DecodedRow] = []
    held: list[int] = []
    passes: list[int] = []
    while decoder.reason is None:
        chunk = decoder.chunk(0, decoder.length)
        held[chunk.start :] = chunk.tokens.tolist()
        passes.append(len(chunk.tokens))
        assert decoder.fed(chunk)
        ends = range(len(held) - chunk.scored + 1, len(held) + 1)
        scores = np.stack([scores_after(model, held[:end]) for end in ends])
        hidden = np.array([hidden_after(held[:end]) for end in ends], np.float32)
        rows.extend(written.row for written in decoder.take(scores, hidden=hidden))
    return rows, passes
