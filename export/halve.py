"""fp16 and bf16 as a pass over the graph: every product and all attention in half precision.

Products with a constant matrix and GroupQueryAttention, with its cache and its rotary tables, are
of the half type; what stands between them, the residual stream, the norms and the gates, stays
float32, and so do the graph's embeddings and hidden states. A value that goes from one half
operator to the next is not widened between them. So the bytes of a step, weights and KV, are
halved, and no sum over layers is rounded to half of its bits.
"""

from typing import Final, Literal

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

Half = Literal["fp16", "bf16"]

_ATTENTION: Final = "GroupQueryAttention"
_TYPES: Final = {"fp16": ir.DataType.FLOAT16, "bf16": ir.DataType.BFLOAT16}
# GroupQueryAttention's inputs: query, key and value; its cache; the lengths; the rotary tables.
_MIXED, _CACHE, _ROTARY = slice(0, 3), slice(3, 5), slice(7, 9)


def halve(model: ir.Model, half: Half) -> int:
    """Replace the products in ``model``, in place; returns how many there were."""
    writer = _Writer(model.graph, half)
    replaced = 0
    for node in list(model.graph):
        if node.op_type == "MatMul" and _constant(node.inputs[1]):
            node.replace_input_with(0, writer.narrowed(node.inputs[0], node))
            node.replace_input_with(1, writer.constant(node.inputs[1]))
            writer.widen(node)
            replaced += 1
        elif node.op_type == _ATTENTION:
            for place in range(*_MIXED.indices(len(node.inputs))):
                node.replace_input_with(place, writer.narrowed(node.inputs[place], node))
            for place in range(*_ROTARY.indices(len(node.inputs))):
                node.replace_input_with(place, writer.constant(node.inputs[place]))
            for cache in (*node.inputs[_CACHE], *node.outputs[1:]):
                assert cache is not None
                cache.type = ir.TensorType(_TYPES[half])
            writer.widen(node)
    RemoveUnusedNodesPass()(model)
    return replaced


def _constant(value: ir.Value | None) -> bool:
    return value is not None and value.const_value is not None


class _Writer:
    """Narrows and widens values, each once."""

    def __init__(self, graph: ir.Graph, half: Half) -> None:
        self._graph = graph
        self._type = _TYPES[half]
        # float32 values, and the same in half.
        self._narrow: dict[ir.Value, ir.Value] = {}

    def narrowed(self, value: ir.Value | None, before: ir.Node) -> ir.Value:
        """The value in half precision, for ``before``."""
        assert value is not None
        if value not in self._narrow:
            node = ir.node("Cast", [value], attributes={"to": int(self._type)})
            self._graph.insert_before(before, node)
            node.outputs[0].type = ir.TensorType(self._type)
            self._narrow[value] = node.outputs[0]
        return self._narrow[value]

    def constant(self, value: ir.Value | None) -> ir.Value:
        """A constant in half precision."""
        assert value is not None
        assert value.const_value is not None
        if value not in self._narrow:
            array = value.const_value.numpy().astype(self._type.numpy())
            name = f"{value.name}_half"
            narrow = ir.Value(
                name=name,
                shape=ir.Shape(array.shape),
                type=ir.TensorType(self._type),
                const_value=ir.tensor(array, name=name),
            )
            self._graph.register_initializer(narrow)
            self._narrow[value] = narrow
        return self._narrow[value]

    def widen(self, node: ir.Node) -> None:
        """Have all who read a node's first output read it in float32."""
        output = node.outputs[0]
        cast = ir.node("Cast", [output], attributes={"to": int(ir.DataType.FLOAT)})
        wide = cast.outputs[0]
        wide.type, wide.shape = ir.TensorType(ir.DataType.FLOAT), output.shape
        output.replace_all_uses_with(wide, replace_graph_outputs=True)
        cast.replace_input_with(0, output)
        output.type = ir.TensorType(self._type)
        self._graph.insert_after(node, cast)
        self._narrow[wide] = output
