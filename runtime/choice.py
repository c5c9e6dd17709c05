"""What a row was chosen over: its score beside the next best one's. Nothing is decided by it."""

from dataclasses import dataclass

import numpy as np

from runtime.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class NextBest:
    """The row (catalog index) that would have stood there instead, and its score."""

    row: int
    score: float


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Of one row, in logits, as they were when it opened.

    ``score`` is the sequence model's logit plus ``promise``, what the moment added
    (`tokenizer.appeal`); 0 where nothing was added. ``candidates`` rows might have opened, this
    one included; where it was the only one, the rules chose it.
    """

    score: float
    promise: float
    candidates: int
    next_best: NextBest | None

    @classmethod
    def of(
        cls, scores: FloatArray, allowed: IntArray, row: int, added: FloatArray | None
    ) -> "RowChoice":
        """``row`` of ``allowed`` (k,) by ``scores`` (R,), to which ``added`` (k,) was added."""
        others = allowed[allowed != row]
        best = None
        if len(others):
            best = int(others[np.argmax(scores[others])])
        promise = 0.0 if added is None else float(added[np.flatnonzero(allowed == row)[0]])
        return cls(
            score=float(scores[row]),
            promise=promise,
            candidates=len(allowed),
            next_best=None if best is None else NextBest(best, float(scores[best])),
        )
