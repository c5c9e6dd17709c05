"""Embedding and output tables: a row for each token, and the means to make rows for new titles.

Legend: V tokens, d width, C content dimensions.
"""

from dataclasses import dataclass, replace

import numpy as np

from runtime.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class FusedTable:
    """One side's table, input or output, fused at export.

    ``rows[token] = id + gate(id) * (content @ projection)``, ``gate(id) = sigmoid(id @ gate_weight
    + gate_bias)`` (`model.fusion`). A fallback token has no content, so its row is its bare ID.
    ``settled`` and ``gap`` are the vocabulary's: tokens behind the gap stand that much earlier.
    """

    rows: FloatArray  # (V, d)
    projection: FloatArray  # (C, d)
    gate_weight: FloatArray  # (d,)
    gate_bias: FloatArray  # ()
    settled: int = 0
    gap: int = 0

    def knows(self, token: int) -> bool:
        """Whether there is a row for a token."""
        behind = token - self.settled >= self.gap
        return token < self.settled or (behind and token < len(self.rows) + self.gap)

    def at(self, tokens: IntArray) -> FloatArray:
        """(n,) tokens that it knows -> (n, d)."""
        if self.gap:
            tokens = np.where(tokens < self.settled, tokens, tokens - self.gap)
        return self.rows[tokens]

    def anew(self, settled: int, token: int) -> "FusedTable":
        """The rows of the tokens below ``settled``; what it is extended by has ``token`` and on."""
        return replace(self, rows=self.rows[:settled], settled=settled, gap=token - settled)

    def extended(self, fallbacks: IntArray, content: FloatArray) -> "FusedTable":
        """With rows for n more tokens: their fallback's ID fused with their own content.

        ``fallbacks`` (n,) tokens of this table, ``content`` (n, C).
        """
        ids = self.rows[fallbacks]
        gate = 1.0 / (1.0 + np.exp(-(ids @ self.gate_weight + self.gate_bias)))
        new = ids + gate[:, None] * (content @ self.projection)
        return replace(self, rows=np.concatenate([self.rows, new.astype(np.float32)]))
