"""Whether a result depends on what it is computed beside: tried out, not believed.

Pages are promised to be the same bit for bit however a prompt is cut, cached or batched. Integer
products sum exactly, but a processor's float kernels may round by the shape of a call, so each
backend shows at its loading what it makes of the same tokens whole, in pieces and in lanes, and
each head of the same states alone, together and for some of its items.
"""

import numpy as np

from runtime.arrays import FloatArray, IntArray
from runtime.backend import Backend, Head
from runtime.chunk import Chunk

_TOKENS = 45
# All numbers of lanes are the same graph, cut apart alike.
_LANES = 2
_PIECES = (20, 1, 2, 7, 15)
# How many states a head is given at once: a page's, a draft's, several pages'.
_STATES = (1, 2, 3, 7)


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
    alike = _alike_in_lanes(backend, tokens, whole)
    for slot in range(lanes):
        backend.drop(slot)
    return alike


def is_exact_head(head: Head, width: int, part: Head | None, places: IntArray) -> bool:
    """Whether a state of this ``width`` has the same scores in any company, and in ``part``.

    That one is packed with those items alone that stand at ``places`` (m,) in ``head``; without it
    the states' company is tried, not the items'. Takes as long as a few passes.
    """
    chance = np.random.default_rng(0)
    hidden = chance.standard_normal((sum(_STATES), width)).astype(np.float32)
    together = head.scores(hidden).copy()  # (n, R + E) or more
    apart = np.split(hidden, np.cumsum(_STATES)[:-1])
    lines = np.concatenate([head.scores(some).copy() for some in apart])
    if not np.array_equal(lines, together):
        return False
    return part is None or np.array_equal(part.scores(hidden), together[:, places])


def _alike_in_lanes(backend: Backend, tokens: list[IntArray], whole: list[FloatArray]) -> bool:
    """The same, all sequences side by side, each cut elsewhere.

    Of every other piece the last state alone is read: a backend may finish no others.
    """
    ends = [0] * len(tokens)
    alike = True
    for turn in range(len(_PIECES)):
        chunks = []
        for slot, sequence in enumerate(tokens):
            size = _PIECES[(turn + slot) % len(_PIECES)]
            part = sequence[ends[slot] : ends[slot] + size]
            chunks.append(Chunk(slot, ends[slot], part, scored=1 if turn % 2 else size))
            ends[slot] += size
        for chunk, states in zip(chunks, backend.forward(chunks), strict=True):
            expected = whole[chunk.slot][chunk.end - chunk.scored : chunk.end]
            alike = alike and np.array_equal(states, expected)
    return alike
