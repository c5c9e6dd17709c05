"""int8 as a pass over the graph: every product with a constant matrix becomes an integer one.

One activation scale a *token row*::

    scale = max(|x|) / 127                                            (T, 1)
    q     = QuantizeLinear(x, scale, 128)                             uint8, zero point 128
    y     = MatMulIntegerToFloat(q, W, scales of W's channels) * scale

Integer sums are exact and a row's scale is its own, so a token's result depends neither on what
else is in the call nor on how a product was cut into threads. ``onnxruntime.quantization``'s
dynamic mode takes one scale for the whole call, and has neither property. Weights have 7 bits
(`runtime.weights` says why). Products that read the same activations share their rounding.

``MatMulIntegerToFloat`` is onnxruntime's own: it scales the sums as they leave the registers, a
channel at a time, where plain operators would write and read them twice. A scale a token it does
not take, so that comes after it.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from runtime.signature import MICROSOFT
from runtime.weights import TINY, WEIGHT_BITS, integer_weights

ACTIVATION_LIMIT = np.float32(127)
ZERO_POINT = 128


@dataclass(frozen=True, slots=True)
class _Rounded:
    """Activations as integers, and the scale of each token row."""

    values: ir.Value  # uint8, as the activations
    scale: ir.Value  # (1, T, 1)


def quantise(model: ir.Model, *, bits: int = WEIGHT_BITS) -> int:
    """Replace the products in ``model``, in place; returns how many there were."""
    graph = model.graph
    constants = _Constants(graph)
    rounded: dict[ir.Value, _Rounded] = {}
    replaced = 0
    for node in list(graph):
        if node.op_type != "MatMul":
            continue
        activations, weights = node.inputs
        if activations is None or weights is None or weights.const_value is None:
            continue
        writer = _Writer(graph, node)
        if activations not in rounded:
            rounded[activations] = _round(activations, constants, writer)
        product = _product(rounded[activations], weights, constants, writer, bits)
        output = node.outputs[0]
        product.name, output.name = output.name, None
        output.replace_all_uses_with(product, replace_graph_outputs=True)
        replaced += 1
    RemoveUnusedNodesPass()(model)
    return replaced


def _round(activations: ir.Value, constants: "_Constants", writer: "_Writer") -> _Rounded:
    # (1, T, n): QuantizeLinear takes a scale for each of one axis, the tokens.
    magnitude = writer.add("Abs", [activations])
    last = constants.of("last_axis", np.array([-1], np.int64))
    largest = writer.add("ReduceMax", [magnitude, last], keepdims=1)
    # A row of zeros has no scale of its own; with this one its integers are all the zero point.
    largest = writer.add("Max", [largest, constants.of("tiny", TINY)])
    scale = writer.add("Div", [largest, constants.of("limit", ACTIVATION_LIMIT)])
    rows = writer.add("Reshape", [scale, constants.of("flat", np.array([-1], np.int64))])
    zero = constants.of("zero_points", np.array([ZERO_POINT], np.uint8))
    zeros = writer.add("Expand", [zero, writer.add("Shape", [rows])])
    return _Rounded(writer.add("QuantizeLinear", [activations, rows, zeros], axis=-2), scale)


def _product(
    rounded: _Rounded,
    weights: ir.Value,
    constants: "_Constants",
    writer: "_Writer",
    bits: int,
) -> ir.Value:
    assert weights.const_value is not None
    integers = integer_weights(weights.const_value.numpy(), axis=1, bits=bits)
    values = constants.of(f"{weights.name}_int", integers.values)
    scales = constants.of(f"{weights.name}_scales", integers.scales)
    zero = constants.of("zero_point", np.uint8(ZERO_POINT))
    one = constants.of("one", np.float32(1))
    inputs = [rounded.values, values, one, scales, zero]
    scaled = writer.add("MatMulIntegerToFloat", inputs, domain=MICROSOFT)
    return writer.add("Mul", [scaled, rounded.scale])


class _Constants:
    """The graph's constants by name, each registered once."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph

    def of(self, name: str, value: NDArray[np.generic] | np.generic) -> ir.Value:
        """The constant of that name; ``value`` counts where it is new."""
        held = self._graph.initializers.get(name)
        if held is not None:
            return held
        array = np.asarray(value)
        constant = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            const_value=ir.tensor(array, name=name),
        )
        self._graph.register_initializer(constant)
        return constant


class _Writer:
    """Adds nodes before ``place``."""

    def __init__(self, graph: ir.Graph, place: ir.Node) -> None:
        self._graph = graph
        self._place = place

    def add(
        self, op_type: str, inputs: list[ir.Value], *, domain: str = "", **attributes: int
    ) -> ir.Value:
        node = ir.node(op_type, inputs, domain=domain, attributes=attributes)
        self._graph.insert_before(self._place, node)
        return node.outputs[0]
