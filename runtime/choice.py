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
        cls, values: FloatArray, allowed: IntArray, row: int, added: FloatArray | None
    ) -> "RowChoice":
        """``row`` of ``allowed`` (k,) by ``values`` (k,), in which ``added`` (k,) is."""
        place = int(allowed.searchsorted(row))
        best = None
        if len(allowed) > 1:
            others = values.copy()
            others[place] = -np.inf
            next_best = int(others.argmax())
            best = NextBest(int(allowed[next_best]), float(values[next_best]))
        return cls(
            score=float(values[place]),
            promise=0.0 if added is None else float(added[place]),
            candidates=len(allowed),
            next_best=best,
        )
