"""The trunk's graph, rewritten to finish only those tokens whose hidden states are read.

What the last attention mixes of a token is a function of that token alone from there on: the
output's projection, the MLP and the norm. Keys and values of all layers are written by then. So of
the values that cross that line, the residual stream among them, the rows of the tokens asked for
are gathered, and of a prompt's chunk one token goes on instead of all. What a row's products and
norms give does not depend on the rows beside it, as lanes rely on as well
(`tests/runtime_onnx/test_trimmed.py`).
"""

import onnx
from onnx import TensorProto, helper

from runtime.lanes import ATTENTION
from runtime.signature import EMBEDDINGS, HIDDEN

SCORED = "scored_tokens"
_LENGTH = "scored"


def trimmed(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of an exported trunk with an input ``scored_tokens`` (S,) int64.

    They are places among the call's tokens, in any order and more than once where wanted;
    ``hidden`` is (1, S, width), of those tokens alone. Who promises bits gives at least two
    (`runtime.chunk.LEAST_TOKENS`).
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    inner = copy.graph
    nodes = list(inner.node)
    mixed = [node for node in nodes if node.op_type == ATTENTION][-1].output[0]
    # What is computed from tokens, and which of it stands behind the last attention.
    tokens, behind = {EMBEDDINGS}, {mixed}
    gathered: set[str] = set()
    del inner.node[:]
    for node in nodes:
        if tokens.intersection(node.input):
            tokens.update(node.output)
        if behind.intersection(node.input):
            for n, name in enumerate(node.input):
                if name != mixed and (name in behind or name not in tokens):
                    continue
                node.input[n] = f"{name}.scored"
                if name not in gathered:
                    gathered.add(name)
                    inner.node.append(
                        helper.make_node("Gather", [name, SCORED], [node.input[n]], axis=1)
                    )
            behind.update(node.output)
        inner.node.append(node)
    # Shapes that were told of all tokens: onnxruntime plans its memory by them.
    told = [value for value in inner.value_info if value.name == mixed or value.name not in behind]
    del inner.value_info[:]
    inner.value_info.extend(told)
    (hidden,) = (port for port in inner.output if port.name == HIDDEN)
    hidden.type.tensor_type.shape.dim[1].dim_param = _LENGTH
    inner.input.append(helper.make_tensor_value_info(SCORED, TensorProto.INT64, [_LENGTH]))
    return copy
