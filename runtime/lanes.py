"""Lanes: the exported trunk's graph, rewritten to run chunks of several sequences in one pass.

On the CPU onnxruntime's GroupQueryAttention takes a chunk on top of a past one sequence at a time.
Everything else in a trunk is a function of a token alone, so here the tokens of N sequences stand
behind each other, (1, T1 + ... + TN, width), for every product, and only attention is cut apart: a
``Split`` by lengths that are given at run time, a GroupQueryAttention for each lane with a cache of
its own, and a ``Concat``. Integer products sum exactly and a float one's rows do not meet, so a
lane's result is what it is alone, bit for bit (`tests/runtime_onnx/test_lanes.py`).

The weights stay where they are: all graphs of a bundle read the same file.
"""

from collections.abc import Iterator, Sequence

import onnx
from onnx import TensorProto, helper

from runtime.signature import SEQLENS, TOTAL

# Chunks a pass that a graph is made for; more take several passes.
LANES = (1, 2, 4, 8)
LENGTHS = "lane_lengths"
ATTENTION = "GroupQueryAttention"
# How many of its inputs are split: query, key and value.
_SPLIT = 3


def passes(chunks: int, sizes: Sequence[int]) -> Iterator[int]:
    """The lanes of each pass for so many chunks, where graphs of these sizes (1 among them) exist.

    The most lanes that the chunks left fill, or that all but one of them fill: two tokens of
    nobody's cost less than a pass of their own for the chunks that were left over.
    """
    while chunks > 0:
        lanes = max(n for n in sizes if n <= chunks or (chunks > 1 and n == chunks + 1))
        yield lanes
        chunks -= lanes


def lane_name(name: str, lane: int) -> str:
    """What a lane's own input or output is called that is ``name`` in the exported graph."""
    return f"{name}.{lane}"


def laned(graph: onnx.ModelProto, lanes: int) -> onnx.ModelProto:
    """A copy of an exported trunk for ``lanes`` sequences a pass, each of at least two tokens.

    ``embeddings`` (1, T, width) and ``hidden`` hold the lanes' tokens in order, ``lane_lengths``
    (lanes,) int64 says how many are whose; what is of a cache is there once a lane. A trimmed
    trunk (`runtime.trimmed`) stays one: its ``scored_tokens`` are places among all lanes' tokens.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    inner = copy.graph
    own = {SEQLENS, TOTAL} | {
        name
        for node in inner.node
        if node.op_type == ATTENTION
        for name in (*node.input[_SPLIT : _SPLIT + 2], *node.output[1:])
    }
    nodes = list(inner.node)
    del inner.node[:]
    for node in nodes:
        inner.node.extend(_apart(node, lanes) if node.op_type == ATTENTION else [node])
    _once_a_lane(inner.input, own, lanes)
    _once_a_lane(inner.output, own, lanes)
    inner.input.append(helper.make_tensor_value_info(LENGTHS, TensorProto.INT64, [lanes]))
    return copy


def _apart(node: onnx.NodeProto, lanes: int) -> Iterator[onnx.NodeProto]:
    """An attention node, once for each lane."""
    mixed = node.output[0]
    split = [[f"{mixed}.in{n}.{lane}" for lane in range(lanes)] for n in range(_SPLIT)]
    for source, parts in zip(node.input[:_SPLIT], split, strict=True):
        yield helper.make_node("Split", [source, LENGTHS], parts, name=f"{parts[0]}.split", axis=1)
    for lane in range(lanes):
        each = onnx.NodeProto()
        each.CopyFrom(node)
        each.name = lane_name(node.name, lane)
        for n in range(_SPLIT):
            each.input[n] = split[n][lane]
        # The caches, and how far they reach; the rotary tables behind them are everybody's.
        for n in range(_SPLIT, _SPLIT + 4):
            each.input[n] = lane_name(node.input[n], lane)
        for n, name in enumerate(node.output):
            each.output[n] = lane_name(name, lane)
        yield each
    joined = [lane_name(mixed, lane) for lane in range(lanes)]
    yield helper.make_node("Concat", joined, [mixed], name=f"{mixed}.concat", axis=1)


def _once_a_lane(ports: Sequence[onnx.ValueInfoProto], own: set[str], lanes: int) -> None:
    """Replace the ports that lanes have each their own of."""
    held = list(ports)
    del ports[:]  # type: ignore[attr-defined]  # protobuf's repeated field, which ships no types
    for port in held:
        if port.name not in own:
            ports.append(port)  # type: ignore[attr-defined]
            continue
        for lane in range(lanes):
            copy = onnx.ValueInfoProto()
            copy.CopyFrom(port)
            copy.name = lane_name(port.name, lane)
            ports.append(copy)  # type: ignore[attr-defined]
