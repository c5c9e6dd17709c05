"""Which titles go together: for each title a short list of others, each with a weight.

Two kinds are learnt from what members had (`training.neighbours`), one from the texts. They are
context, as trend counts are: the model learns how far to trust each (`model.signals`).

Shape legend: V tokens, N pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genpage.errors import CheckpointError
from tokenizer.vocabulary import IntArray

FloatArray = NDArray[np.float32]
_PARTS = ("offsets", "tokens", "weights")


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The neighbours of token ``t`` are ``tokens[offsets[t]:offsets[t + 1]]``."""

    offsets: NDArray[np.int64]  # (V + 1,)
    tokens: IntArray  # (N,)
    weights: FloatArray  # (N,) above 0

    @classmethod
    def none(cls, tokens: int) -> "Neighbours":
        """Nobody has any."""
        return cls(np.zeros(tokens + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))

    def around(self, tokens: IntArray, shares: FloatArray) -> tuple[IntArray, FloatArray]:
        """The neighbours of some tokens, each list weighed by its share; a title may come twice.

        Tokens newer than the lists have none.
        """
        known = tokens < len(self.offsets) - 1
        first = self.offsets[tokens[known]]
        sizes = self.offsets[tokens[known] + 1] - first
        total = int(sizes.sum())
        starts = np.cumsum(sizes) - sizes
        places = np.arange(total) - np.repeat(starts - first, sizes)
        return self.tokens[places], self.weights[places] * np.repeat(shares[known], sizes)

    def to_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """As arrays, for `from_arrays`."""
        return {f"{name}.{part}": getattr(self, part) for part in _PARTS}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, NDArray[Any]]) -> "Neighbours":
        """The lists of `to_arrays`; `CheckpointError` where they contradict themselves."""
        try:
            offsets, tokens, weights = (arrays[f"{name}.{part}"] for part in _PARTS)
        except KeyError as error:
            raise CheckpointError(f"the neighbours have no {error}") from error
        size = len(offsets) - 1
        if (
            size < 0
            or offsets[0] != 0
            or (np.diff(offsets) < 0).any()
            or not offsets[-1] == len(tokens) == len(weights)
            or (len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < size)
        ):
            raise CheckpointError(f"the neighbours {name} contradict themselves")
        return cls(offsets.astype(np.int64), tokens.astype(np.int32), weights.astype(np.float32))
