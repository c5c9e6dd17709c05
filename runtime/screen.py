"""Exact float32 choices over very many titles: rough scores first, exact ones of who may win.

A pass over the packed float32 vectors is bound by memory. Their 7-bit integers take a quarter of
it, and how far a rough score may be off is known: with h' and w' what rounding leaves of a hidden
state h and a vector w,

    |h.w - h'.w'| <= |h - h'| |w| + |h'| |w - w'|        (Cauchy and Schwarz)

and a float32 sum of d products is off by d * 2^-24 |h| |w| at most. Who cannot reach the count-th
best even so is out; the others get the very float32 scores that the whole head gives, so that the
choice is the same bit for bit.

Those are computed by `Again`: onnxruntime adds the terms of a packed product in blocks of 256,
and those of a product of two inputs in blocks that depend on its width; for 64 columns they are the
same. Where they are not, here and now, `Again.agrees` is false, and nobody screens.

Shape legend: C items, d width, m columns asked for.
"""

from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from runtime.arrays import FloatArray, IntArray
from runtime.head import CatalogHead, Vectors
from runtime.pack import IR_VERSION, OPSET
from runtime.sessions import Session, SessionSettings
from runtime.weights import TINY, integer_weights

# Columns of a product; see above.
BLOCK: Final = 64
_ROUNDING: Final = 2.0**-24
# Bounds are computed in float32 too.
_SLACK: Final = 1.0 + 1e-4
# Vectors are looked at so many at a time.
_PORTION: Final = 16_384


class Again:
    """Scores of some items as the packed float32 product gives them. One thread calls it."""

    def __init__(self, tokens: IntArray, vectors: Vectors) -> None:
        self._tokens, self._vectors = tokens, vectors
        # Two threads would halve a block.
        self._session = Session(_graph().SerializeToString(), SessionSettings(1))

    def scores(self, hidden: FloatArray, columns: NDArray[np.integer]) -> FloatArray:
        """(m,) of one hidden state (d,)."""
        line: FloatArray = self.lines(hidden[None], columns)[0]
        return line

    def lines(self, hidden: FloatArray, columns: NDArray[np.integer]) -> FloatArray:
        """(n, m) of some hidden states (n, d)."""
        blocks = -(-len(columns) // BLOCK)
        padded = np.zeros(blocks * BLOCK, np.int64)
        padded[: len(columns)] = columns
        weights = self._vectors(self._tokens[padded])
        weights = weights.reshape(blocks, BLOCK, -1).transpose(0, 2, 1)
        found = np.empty((blocks, 2, BLOCK), np.float32)
        # A single row is multiplied by a kernel that rounds differently.
        states = np.empty((2, hidden.shape[1]), np.float32)
        binding = self._session.bind()
        binding.input("hidden", states)
        binding.input("weights", np.ascontiguousarray(weights))
        binding.output("scores", found)
        lines = np.empty((len(hidden), len(columns)), np.float32)
        for state, line in zip(hidden, lines, strict=True):
            states[:] = state
            binding.run()
            line[:] = found[:, 0].reshape(-1)[: len(columns)]
        return lines

    def agrees(self, settings: SessionSettings) -> bool:
        """Whether its scores are a packed head's bit for bit, tried on some."""
        chance = np.random.default_rng(0)
        some = chance.integers(0, len(self._tokens), 5 * BLOCK - 1)
        columns = np.unique(some).astype(np.int32)
        head = CatalogHead(self._tokens[columns], self._vectors, "fp32", settings)
        width = self._vectors(self._tokens[:1]).shape[1]
        hidden = chance.standard_normal((2, width)).astype(np.float32)
        expected = head.scores(hidden)
        return all(
            np.array_equal(self.scores(state, columns), line)
            for state, line in zip(hidden, expected, strict=True)
        )


class Screen:
    """A `runtime.backend.Head` whose lines are exact for ``exact`` items, rough for the others.

    Behind the scores (n, C) of a line stands the hidden state that it is of (n, d), by which
    `refined` makes some of them exact.
    """

    def __init__(
        self,
        tokens: IntArray,
        exact: int,
        vectors: Vectors,
        settings: SessionSettings,
        *,
        before: "Screen | None" = None,
    ) -> None:
        """The first ``exact`` of ``tokens`` (C,) are exact at once.

        ``before`` is as `CatalogHead`'s.
        """
        earlier = None if before is None else before.rough
        self.rough: CatalogHead = CatalogHead(tokens, vectors, "int8", settings, before=earlier)
        self._exactly = CatalogHead(tokens[:exact], vectors, "fp32", settings)
        self._exact, self._items = exact, len(tokens)
        self.nbytes = self.rough.nbytes + self._exactly.nbytes
        self.again = Again(tokens, vectors)
        self._lengths, self._losses = _norms(tokens, vectors)
        self._largest = float(self._lengths.max()), float(self._losses.max())

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Lines (n, C + d)."""
        count, width = hidden.shape
        lines = np.empty((count, self._items + width), np.float32)
        lines[:, : self._items] = self.rough.scores(hidden)
        lines[:, : self._exact] = self._exactly.scores(hidden)
        lines[:, self._items :] = hidden
        return lines

    def refined(
        self, line: FloatArray, columns: NDArray[np.integer], added: FloatArray | None, count: int
    ) -> tuple[IntArray, FloatArray]:
        """Which of ``columns`` (m,) may be among the best ``count``, and their exact scores.

        Those are with what is ``added`` (m,) to them. Indices into ``columns``, sorted.
        """
        hidden = line[self._items :]
        places = self._possible(_Error.of(hidden), line.take(columns), columns, added, count)
        exact = self.again.scores(hidden, columns[places])
        return places, exact if added is None else exact + added[places]

    def _possible(
        self,
        error: "_Error",
        values: FloatArray,
        columns: NDArray[np.integer],
        added: FloatArray | None,
        count: int,
    ) -> IntArray:
        """Sorted indices of those that the bound does not exclude."""
        places = np.arange(len(values), dtype=np.int32)
        largest = float(np.abs(values).max())
        widest = error.bound(*self._largest, largest)
        rough = values if added is None else values + added
        margin = 2.0 * widest + 8.0 * _ROUNDING * (float(np.abs(rough).max()) + largest)
        if not np.isfinite(margin):
            return places  # what is no number is told of by whoever chooses
        # The widest bound for all costs few passes, and leaves few.
        places = places[rough >= _highest(rough, count) - margin]
        values, columns = values[places], columns[places]
        bound = error.bounds(self._lengths[columns], self._losses[columns], np.abs(values))
        lowest, highest = values - bound, values + bound
        if added is not None:
            lowest, highest = lowest + added[places], highest + added[places]
        return places[highest >= _highest(lowest, count)]


def _highest(values: FloatArray, count: int) -> float:
    """The ``count``-th highest of them."""
    return float(np.partition(values, len(values) - count)[len(values) - count])


class _Error:
    """How far a hidden state's rough scores may be off."""

    def __init__(self, length: float, loss: float, scale: float) -> None:
        self._length, self._loss, self._scale = length, loss, scale

    @classmethod
    def of(cls, hidden: FloatArray) -> "_Error":
        """Of a state (d,) that is rounded as `runtime.pack` rounds it."""
        scale = max(np.abs(hidden).max(), TINY) / np.float32(127)
        rounded = np.rint(hidden / scale).astype(np.float64) * float(scale)
        length, left = np.linalg.norm(hidden.astype(np.float64)), np.linalg.norm(rounded)
        loss = np.linalg.norm(hidden.astype(np.float64) - rounded)
        sums = (len(hidden) + 8) * _ROUNDING * length
        return cls(float(loss + sums) * _SLACK, float(left) * _SLACK, 8.0 * _ROUNDING)

    def bound(self, length: float, loss: float, rough: float) -> float:
        """Of a vector's length, what it lost, and the rough score's size."""
        return (self._length * length + self._loss * loss + self._scale * rough) * _SLACK + 1e-30

    def bounds(self, lengths: FloatArray, losses: FloatArray, rough: FloatArray) -> FloatArray:
        """(m,) the same of many."""
        first, second = np.float32(self._length), np.float32(self._loss)
        found: FloatArray = first * lengths + second * losses + np.float32(self._scale) * rough
        return found * np.float32(_SLACK) + np.float32(1e-30)


def _norms(tokens: IntArray, vectors: Vectors) -> tuple[FloatArray, FloatArray]:
    """(C,) the vectors' lengths, and those of what rounding them loses; never too small."""
    lengths, losses = np.empty((2, len(tokens)), np.float32)
    for first in range(0, len(tokens), _PORTION):
        some = vectors(tokens[first : first + _PORTION])
        integers = integer_weights(some, axis=0)
        lost = some - integers.values * integers.scales[:, None]
        part = slice(first, first + len(some))
        lengths[part] = np.linalg.norm(some, axis=1) * np.float32(_SLACK)
        losses[part] = np.linalg.norm(lost, axis=1) * np.float32(_SLACK)
    return lengths, losses


def _graph() -> onnx.ModelProto:
    """``hidden (n, d), weights (blocks, d, 64) -> scores (blocks, n, 64)``."""
    product = helper.make_node("MatMul", ["hidden", "weights"], ["scores"])
    graph = helper.make_graph(
        [product],
        "again",
        [
            helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["n", "d"]),
            helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["blocks", "d", BLOCK]),
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["blocks", "n", BLOCK])],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
