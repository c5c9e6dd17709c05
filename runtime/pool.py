"""KV memory: one array a layer and part, of which a slot is a contiguous slice."""

import math
import mmap
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np

from runtime.arrays import FloatArray

_FLOAT = 4
# A private mapping's pages can be given back one by one; the platform's default may be shared.
_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
_map = partial(mmap.mmap, flags=_PRIVATE) if _PRIVATE else mmap.mmap


@dataclass(frozen=True, slots=True)
class KVShape:
    """The shape of a trunk's cache; ``length`` counts the tokens that a slot has memory for.

    ``itemsize`` is the bytes of a number.
    """

    layers: int
    kv_heads: int
    head_dim: int
    length: int
    itemsize: int = _FLOAT

    @property
    def token_bytes(self) -> int:
        """What a token takes, keys and values of all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.itemsize


class KVPool:
    """Keys and values of all slots, ``2 * layers`` arrays (slots, kv heads, length, head dim).

    The memory is reserved at once and taken from the machine as it is first written, 4 KiB at a
    time, so a slot costs what its longest page needed and not what it might hold. Transparent huge
    pages would take 2 MiB at a time, which for a head's 1.3 MB is all of it. ``length`` is rounded
    up so that a slot is whole pages of memory, which `drop` gives back.
    """

    def __init__(self, shape: KVShape, slots: int) -> None:
        self.slots = slots
        self.token_bytes = shape.token_bytes
        step = mmap.PAGESIZE // math.gcd(mmap.PAGESIZE, shape.head_dim * _FLOAT)
        length = -(-shape.length // step) * step
        each = (slots, shape.kv_heads, length, shape.head_dim)
        self._memory = [_reserve(int(np.prod(each)) * _FLOAT) for _ in range(2 * shape.layers)]
        # An array holds its mapping, and unmaps it when the last view of it is gone.
        self.arrays = [np.frombuffer(held, np.float32).reshape(each) for held in self._memory]

    def slot(self, slot: int) -> list[FloatArray]:
        """The slot's caches, (1, kv heads, length, head dim) each: views, C-contiguous."""
        return [array[slot : slot + 1] for array in self.arrays]

    def drop(self, slot: int) -> None:
        """Give a slot's memory back to the machine: nothing of what it held is left anywhere."""
        for memory, array in zip(self._memory, self.arrays, strict=True):
            if sys.platform == "linux":
                # What is read there next are zeros.
                size = array[slot].nbytes
                memory.madvise(mmap.MADV_DONTNEED, slot * size, size)
            else:
                array[slot] = 0.0


def _reserve(size: int) -> mmap.mmap:
    """Zeros that take no memory until they are written."""
    memory = _map(-1, size)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory
