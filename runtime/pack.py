"""Output vectors packed once: a small graph that scores hidden states against them.

It is built off any request's path, with the vectors as constants: onnxruntime packs those once,
which makes a step's scores about five times cheaper than with the weights as an input. fp32 is one
matrix product; int8 rounds each hidden state by its own scale and each vector by its own, as the
trunk does (`runtime.weights`).

An item's score is the same bits in whatever company: int8 sums are exact, and a float32 product
adds an item's terms in one order, which the packed layout fixes (two positions or more a call).
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from runtime.arrays import FloatArray
from runtime.chunk import LEAST_TOKENS
from runtime.manifest import Precision
from runtime.sessions import Binding, Session, SessionSettings
from runtime.signature import MICROSOFT
from runtime.weights import TINY, integer_weights

OPSET = 23
IR_VERSION = 10
# Of a few pages' passes, or of one page's with a draft.
_KEPT_ROWS = 8
# A graph in memory is one protobuf, which holds 2 GiB at most and stands there thrice meanwhile.
MOST_BYTES = 1 << 28


class Pack:
    """Scores of some items. One thread calls it."""

    def __init__(
        self, vectors: FloatArray, precision: Precision, settings: SessionSettings
    ) -> None:
        """``vectors`` (m, width), one item or more."""
        self.items, self._width = vectors.shape
        self.nbytes = self.items * self._width * itemsize(precision)
        self._session = Session(head_graph(vectors, precision).SerializeToString(), settings)
        self._bound: dict[int, tuple[Binding, FloatArray]] = {}

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Scores (n, m) of hidden states (n, width), the caller's own."""
        count = len(hidden)
        # A single state is scored twice.
        binding, states = self._frame(max(count, LEAST_TOKENS))
        states[:] = hidden
        scores = np.empty((len(states), self.items), np.float32)
        binding.output("scores", scores)
        binding.run()
        # The binding is kept; of a large catalog the scores are megabytes.
        binding.release("scores")
        return scores[:count]

    def _frame(self, rows: int) -> tuple[Binding, FloatArray]:
        """What is read for so many states; of few it is kept, and bound once."""
        held = self._bound.get(rows)
        if held is None:
            states = np.empty((rows, self._width), np.float32)
            held = self._session.bind(), states
            held[0].input("hidden", states)
            if rows <= _KEPT_ROWS:
                self._bound[rows] = held
        return held


def itemsize(precision: Precision) -> int:
    """Bytes of one number of a packed vector; beside a half trunk the head is float32."""
    return 1 if precision == "int8" else 4


def head_graph(vectors: FloatArray, precision: Precision) -> onnx.ModelProto:
    """``hidden (n, width) -> scores (n, m)`` with the output vectors as constants."""
    items, width = vectors.shape
    product = _integer(vectors) if precision == "int8" else _plain(vectors)
    graph = helper.make_graph(
        product.nodes,
        "head",
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", items])],
        product.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


class _Product:
    """Nodes and constants being collected."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(
        self, op_type: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: int
    ) -> str:
        node = helper.make_node(op_type, inputs, [output], domain=domain)
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
    rows = add("Reshape", [scale, constant("flat", np.array([-1], np.int64))], "rows")
    shape = add("Shape", [rows], "shape")
    zeros = add("Expand", [constant("zero_points", np.array([128], np.uint8)), shape], "zeros")
    rounded = add("QuantizeLinear", ["hidden", rows, zeros], "rounded", axis=0)
    values = constant("values", np.ascontiguousarray(integers.values.T))
    zero, one = constant("zero_point", np.uint8(128)), constant("one", np.float32(1))
    inputs = [rounded, values, one, constant("scales", integers.scales), zero]
    scaled = add("MatMulIntegerToFloat", inputs, "scaled", domain=MICROSOFT)
    add("Mul", [scaled, scale], "scores")
    return product
