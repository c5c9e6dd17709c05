"""Embedding and output tables: a row for each token, and the means to make rows for new titles.

Legend: V tokens, d width, C content dimensions.
"""

from dataclasses import dataclass, replace

import numpy as np

from runtime.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class FusedTable:
    """One side's table, input or output, fused at export.

    ``rows[token] = id + gate(id) * (content @ projection)``, ``gate(id) = sigmoid(id @ gate_weight
    + gate_bias)`` (`model.fusion`). A fallback token has no content, so its row is its bare ID.
    """

    rows: FloatArray  # (V, d)
    projection: FloatArray  # (C, d)
    gate_weight: FloatArray  # (d,)
    gate_bias: FloatArray  # ()

    def extended(self, fallbacks: IntArray, content: FloatArray) -> "FusedTable":
        """With rows for n more tokens: their fallback's ID fused with their own content.

        ``fallbacks`` (n,) tokens of this table, ``content`` (n, C).
        """
        ids = self.rows[fallbacks]
        gate = 1.0 / (1.0 + np.exp(-(ids @ self.gate_weight + self.gate_bias)))
        new = ids + gate[:, None] * (content @ self.projection)
        return replace(self, rows=np.concatenate([self.rows, new.astype(np.float32)]))
