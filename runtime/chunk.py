"""A chunk: consecutive tokens of one sequence, to be run through the trunk on its KV slot."""

from dataclasses import dataclass
from typing import Final

from runtime.arrays import IntArray

# Tokens of a sequence, or states to score, that a graph is never run on fewer of: onnxruntime
# multiplies a single row by another kernel, which rounds differently.
LEAST_TOKENS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What one KV slot is fed in one forward pass.

    The ``start`` first tokens of the slot stay valid, ``tokens`` (n,) int32, n >= 1, follow them,
    and whatever the slot held behind ``start`` is overwritten: after the pass it holds exactly
    ``end`` tokens. ``scored`` (1 <= scored <= n) is how many of the last positions' hidden states
    the caller reads.
    """

    slot: int
    start: int
    tokens: IntArray
    scored: int = 1

    @property
    def end(self) -> int:
        """The tokens that the slot holds after this chunk."""
        return self.start + len(self.tokens)
