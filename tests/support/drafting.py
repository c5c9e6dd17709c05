"""Pages decoded by hand, with drafts."""

from collections.abc import Sequence

import numpy as np
from naive_decoder import scores_after

from genpage.grammar import DecodedRow
from runtime.decoder import Decoder
from runtime.fake import FakeModel
from runtime.job import PageJob
from runtime.pace import Pace
from runtime.shown import Shown


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
        rows.extend(written.row for written in decoder.take(scores))
    return rows, passes
