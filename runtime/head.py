"""The output head of one catalog snapshot: hidden states to scores, as a small graph.

It is built when a snapshot arrives, off any request's path, with the weights as constants:
onnxruntime packs those once, which makes a step's scores about five times cheaper than with the
weights as an input. fp32 is one matrix product; int8 rounds each hidden state by its own scale and
each output vector by its own, as the trunk does (`runtime.weights`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from genpage.errors import BundleError
from runtime.arrays import FloatArray
from runtime.manifest import Precision
from runtime.sessions import Binding, Session, SessionSettings
from runtime.weights import TINY, integer_weights

_OPSET = 23
_IR_VERSION = 10
# As in `runtime.trunk`: a single row is multiplied by a kernel that rounds differently.
_LEAST_ROWS = 2
# Of a few pages' passes, or of one page's with a draft. A row's scores take a catalog's room.
_KEPT_ROWS = 8


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """The memory of one call, bound: ``hidden`` (n, width) and ``scores`` (n, R + E)."""

    binding: Binding
    hidden: FloatArray
    scores: FloatArray


class CatalogHead:
    """`runtime.backend.Head` over the output vectors of a snapshot."""

    def __init__(
        self, vectors: FloatArray, precision: Precision, settings: SessionSettings
    ) -> None:
        """``vectors`` are (R + E, width), rows first, in catalog order."""
        if not len(vectors):
            raise BundleError("the catalog is empty: there is nothing to score.")
        self._items, self._width = vectors.shape
        self._session = Session(head_graph(vectors, precision).SerializeToString(), settings)
        self._frames: dict[int, _Frame] = {}

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Scores (n, R + E) of hidden states (n, width), the caller's own."""
        count = len(hidden)
        # A single row is scored twice.
        frame = self._frame(max(count, _LEAST_ROWS))
        frame.hidden[:] = hidden
        frame.binding.run()
        return frame.scores[:count].copy()

    def _frame(self, rows: int) -> "_Frame":
        """What is read and written for so many states; of few it is kept, and bound once."""
        frame = self._frames.get(rows)
        if frame is None:
            hidden = np.empty((rows, self._width), np.float32)
            scores = np.empty((rows, self._items), np.float32)
            frame = _Frame(self._session.bind(), hidden, scores)
            frame.binding.input("hidden", hidden)
            frame.binding.output("scores", scores)
            if rows <= _KEPT_ROWS:
                self._frames[rows] = frame
        return frame


def head_graph(vectors: FloatArray, precision: Precision) -> onnx.ModelProto:
    """``hidden (n, width) -> scores (n, R + E)`` with the output vectors as constants."""
    items, width = vectors.shape
    product = _plain(vectors) if precision == "fp32" else _integer(vectors)
    graph = helper.make_graph(
        product.nodes,
        "head",
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", items])],
        product.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


class _Product:
    """Nodes and constants being collected."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op_type: str, inputs: Sequence[str], output: str, **attributes: int) -> str:
        node = helper.make_node(op_type, inputs, [output])
        node.attribute.extend(helper.make_attribute(*item) for item in attributes.items())
        self.nodes.append(node)
        return output


def _plain(vectors: FloatArray) -> _Product:
    product = _Product()
    weights = product.constant("weights", np.ascontiguousarray(vectors.T))
    product.add("MatMul", ["hidden", weights], "scores")
    return product


def _integer(vectors: FloatArray) -> _Product:
    """One activation scale a hidden state: the operators of ``export.quantise``."""
    integers = integer_weights(vectors, axis=0)
    product = _Product()
    add, constant = product.add, product.constant
    magnitude = add("Abs", ["hidden"], "magnitude")
    last = constant("last_axis", np.array([-1], np.int64))
    largest = add("ReduceMax", [magnitude, last], "largest", keepdims=1)
    bounded = add("Max", [largest, constant("tiny", TINY)], "bounded")
    scale = add("Div", [bounded, constant("limit", np.float32(127))], "scale")
    whole = add("Round", [add("Div", ["hidden", scale], "quotient")], "whole")
    shifted = add("Add", [whole, constant("shift", np.float32(128))], "shifted")
    rounded = add("Cast", [shifted], "rounded", to=TensorProto.UINT8)
    values = constant("values", np.ascontiguousarray(integers.values.T))
    zero = constant("zero_point", np.uint8(128))
    sums = add("MatMulInteger", [rounded, values, zero], "sums")
    real = add("Cast", [sums], "real", to=TensorProto.FLOAT)
    scaled = add("Mul", [real, scale], "scaled")
    add("Mul", [scaled, constant("scales", integers.scales)], "scores")
    return product
