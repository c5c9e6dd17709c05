"""KV memory: one array a layer and part, of which a slot is a contiguous slice."""

import mmap
from dataclasses import dataclass

import numpy as np

from runtime.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class KVShape:
    """The shape of a trunk's cache; ``length`` counts the tokens that a slot has memory for."""

    layers: int
    kv_heads: int
    head_dim: int
    length: int


class KVPool:
    """Keys and values of all slots, ``2 * layers`` arrays (slots, kv heads, length, head dim).

    The memory is reserved at once and taken from the machine as it is first written, 4 KiB at a
    time, so a slot costs what its longest page needed and not what it might hold. Transparent huge
    pages would take 2 MiB at a time, which for a head's 1.3 MB is all of it.
    """

    def __init__(self, shape: KVShape, slots: int) -> None:
        self.slots = slots
        # Key and value of each layer in turn, as in `runtime.signature.past_names`.
        self.arrays = [
            _reserve((slots, shape.kv_heads, shape.length, shape.head_dim))
            for _ in range(2 * shape.layers)
        ]

    def slot(self, slot: int) -> list[FloatArray]:
        """The slot's caches, (1, kv heads, length, head dim) each: views, C-contiguous."""
        return [array[slot : slot + 1] for array in self.arrays]


def _reserve(shape: tuple[int, ...]) -> FloatArray:
    """Zeros that take no memory until they are written."""
    size = int(np.prod(shape)) * 4
    memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    # The array holds the mapping, and unmaps it when the last view of it is gone.
    return np.frombuffer(memory, np.float32).reshape(shape)
