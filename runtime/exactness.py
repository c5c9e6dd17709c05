"""Whether a result depends on what it is computed beside: tried out, not believed.

Pages are promised to be the same bit for bit however a prompt is cut, cached or batched. Integer
products sum exactly, but a processor's float kernels may round by the shape of a call, so each
backend shows at its loading what it makes of the same tokens whole, in pieces and in lanes.
"""

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.backend import Backend
from runtime.chunk import Chunk

_TOKENS = 45
# All numbers of lanes are the same graph, cut apart alike.
_LANES = 2
_PIECES = (20, 1, 2, 7, 15)


def is_exact(backend: Backend, vocabulary: int, lanes: int) -> bool:
    """Whether tokens below ``vocabulary`` give the same states alone, in pieces and in lanes.

    Takes milliseconds, writes into the first slots, and nobody else may use them meanwhile.
    """
    lanes = min(lanes, _LANES, backend.slots)
    sequences = np.random.default_rng(0).integers(vocabulary, size=(lanes, _TOKENS))
    tokens = list(sequences.astype(np.int32))
    whole = [
        backend.forward([Chunk(0, 0, part, scored=_TOKENS)])[0].copy() for part in tokens
    ]  # (_TOKENS, width) each
    apart = _in_lanes(backend, tokens)
    for slot in range(lanes):
        backend.drop(slot)
    return all(np.array_equal(left, right) for left, right in zip(whole, apart, strict=True))


def _in_lanes(backend: Backend, tokens: list[IntArray]) -> list[FloatArray]:
    """The same, all sequences side by side, each cut elsewhere."""
    states: list[list[FloatArray]] = [[] for _ in tokens]
    ends = [0] * len(tokens)
    for turn in range(len(_PIECES)):
        chunks = []
        for slot, sequence in enumerate(tokens):
            size = _PIECES[(turn + slot) % len(_PIECES)]
            part = sequence[ends[slot] : ends[slot] + size]
            chunks.append(Chunk(slot, ends[slot], part, scored=size))
            ends[slot] += size
        for slot, state in enumerate(backend.forward(chunks)):
            states[slot].append(state.copy())
    return [np.concatenate(parts) for parts in states]
