"""fp16 and bf16: what the pass rounds, what it leaves, and how near the result is."""

from typing import get_args

import numpy as np
import onnx_ir as ir
import pytest
from tiny import tiny_bundle

from export.halve import Half, halve
from export.trunk import trunk_graph
from model.checkpoint import Checkpoint
from runtime.bundle import Bundle
from runtime.model import LoadedModel, LoadSettings

TYPES = {"fp16": ir.DataType.FLOAT16, "bf16": ir.DataType.BFLOAT16}


@pytest.fixture(scope="module", params=get_args(Half))
def half(request: pytest.FixtureRequest) -> Half:
    """Each half type."""
    chosen: Half = request.param
    return chosen


@pytest.fixture
def graph(checkpoint: Checkpoint) -> ir.Model:
    """The float32 graph."""
    weights = {
        name.removeprefix("trunk."): value
        for name, value in checkpoint.weights.items()
        if name.startswith("trunk.")
    }
    return trunk_graph(checkpoint.config, weights, 64)


def test_products_and_attention_are_halved_and_nothing_else(graph: ir.Model, half: Half) -> None:
    """Seven products a layer; sums, norms and gates stay float32, and so do both ends."""
    layers = sum(node.op_type == "GroupQueryAttention" for node in graph.graph)
    assert halve(graph, half) == 7 * layers
    for node in graph.graph:
        kinds = {value.dtype for value in node.inputs if value is not None}
        if node.op_type == "MatMul":
            assert kinds == {TYPES[half]}
        elif node.op_type == "GroupQueryAttention":
            assert kinds == {TYPES[half], ir.DataType.INT32}
        elif node.op_type != "Cast":
            assert kinds <= {ir.DataType.FLOAT, ir.DataType.INT64}
    ends = {value.name: value.dtype for value in (*graph.graph.inputs, *graph.graph.outputs)}
    assert ends["embeddings"] == ends["hidden"] == ir.DataType.FLOAT
    cached = {kind for name, kind in ends.items() if name and name.startswith(("past", "present"))}
    assert cached == {TYPES[half]}


def test_nothing_is_widened_between_two_half_operators(graph: ir.Model, half: Half) -> None:
    """Two casts into a block's halves and none inside attention; no float32 matrix is left."""
    halve(graph, half)
    for node in graph.graph:
        if node.op_type == "Cast":
            source = node.inputs[0]
            assert source is not None
            assert node.outputs[0].uses()
            assert source.producer() is None or source.producer().op_type != "Cast"  # type: ignore[union-attr]  # just looked at
        if node.op_type == "GroupQueryAttention":
            producers = [value.producer() for value in node.inputs[:3] if value is not None]
            assert [made.op_type for made in producers if made is not None] == ["MatMul"] * 3
    for value in graph.graph.initializers.values():
        assert value.const_value is not None
        if len(value.const_value.shape) > 1:
            assert value.const_value.dtype == TYPES[half]


def test_weights_are_rounded_to_the_nearest(graph: ir.Model, half: Half) -> None:
    """Half a unit in the last place at most: 11 bits for fp16, 8 for bf16."""
    before = {
        name: np.array(value.const_value.numpy())
        for name, value in graph.graph.initializers.items()
        if value.const_value is not None
    }
    halve(graph, half)
    bits, seen = {"fp16": 11, "bf16": 8}[half], 0
    for name, value in graph.graph.initializers.items():
        if name.endswith("_half"):
            assert value.const_value is not None
            wide = before[name.removesuffix("_half")]
            rounded = value.const_value.numpy().astype(np.float32)
            # Below fp16's normal numbers steps are of one size.
            error = np.abs(rounded - wide) - 2.0**-25
            assert (error <= np.abs(wide) * 2.0**-bits).all()
            seen += 1
    assert seen


def test_an_fp16_bundle_is_near_pytorch() -> None:
    """Nearer than int8 by far; pages are those of float32; its gate allows for another device."""
    folder = tiny_bundle("fp16", random=False)
    manifest, rounded = Bundle.open(folder).manifest, tiny_bundle("int8", random=False)
    parity = manifest.parity
    assert manifest.precision == "fp16"
    assert manifest.made_with["device"] == "cpu"
    assert 0 < parity.mean_logit_error < 0.01 * parity.logit_std
    assert parity.mean_logit_error < Bundle.open(rounded).manifest.parity.mean_logit_error / 10
    assert parity.pages_equal + parity.pages_tied == parity.pages
    assert manifest.gate.score_tolerance == 2 * parity.max_logit_error
    assert LoadedModel.load(folder, LoadSettings(slots=1)).manifest == manifest
