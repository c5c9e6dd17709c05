"""int8: exact integer products, the pass against a plain emulation, rows of zeros."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from model.checkpoint import Checkpoint
from model.packing import Packing
from model.trunk import Trunk
from runtime.arrays import FloatArray
from runtime.bundle import Bundle
from runtime.chunk import Chunk
from runtime.model import LoadedModel, LoadSettings
from runtime.sessions import Session, SessionSettings
from runtime.weights import integer_weights


class Rounded(nn.Module):
    """What the graph computes in the place of a linear layer, in plain float arithmetic."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        integers = integer_weights(linear.weight.detach().numpy().T, axis=1)
        self.values = torch.from_numpy(integers.values.astype(np.float64))
        self.scales = torch.from_numpy(integers.scales)

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        """Round each token by its own scale, multiply exactly, scale back."""
        scale = stream.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 127
        exact = torch.round(stream / scale).double() @ self.values
        return exact.float() * self.scales * scale


def emulated(trunk: Trunk) -> Trunk:
    """The trunk with every product rounded."""
    for parent in list(trunk.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, Rounded(child))
    return trunk


def test_the_graph_is_the_emulation(checkpoint: Checkpoint, int8_bundle: Path) -> None:
    """Hidden states are those of the plain emulation, but where a rounding flips."""
    model = LoadedModel.load(int8_bundle, LoadSettings(slots=1))
    tokens = np.random.default_rng(0).integers(512, 580, size=120).astype(np.int32)
    given_states = model.backend.forward([Chunk(0, 0, tokens, scored=120)])[0]
    network = checkpoint.network()
    trunk = emulated(network.trunk)
    with torch.inference_mode():
        embedded = network.inputs.table(network.content)[torch.from_numpy(tokens).long()]
        expected = trunk(embedded[None], Packing.single(120))[0].numpy()
        plain = checkpoint.network().trunk(embedded[None], Packing.single(120))[0].numpy()
    error, cost = np.abs(given_states - expected), np.abs(given_states - plain)
    # A sum that rounds the other way in float32 moves an activation by one of its 127 steps;
    # that is rare, and far below what rounding costs at all.
    assert np.median(error) < 1e-5
    assert error.mean() < cost.mean() / 20


def test_every_product_with_weights_is_replaced(int8_bundle: Path) -> None:
    """No float product is left, and products that read the same tokens share their rounding."""
    graph = onnx.load(int8_bundle / "trunk.onnx", load_external_data=False).graph
    kinds = [node.op_type for node in graph.node]
    assert "MatMul" not in kinds
    assert kinds.count("MatMulIntegerToFloat") == 2 * 7
    assert kinds.count("Abs") == 2 * 4
    assert Bundle.open(int8_bundle).manifest.trunk.weight_bits == 7


def test_a_token_of_zeros_stays_finite(int8_bundle: Path) -> None:
    """A row without a scale of its own divides by nothing that is zero."""
    model = LoadedModel.load(int8_bundle, LoadSettings(slots=1))
    rows = model.snapshot.lexicon.inputs.rows.copy()
    rows[3] = 0.0
    table = replace(model.snapshot.lexicon.inputs, rows=rows)
    model.backend.use(table)
    hidden = model.backend.forward([Chunk(0, 0, np.array([3, 520, 3], np.int32), scored=3)])[0]
    assert np.isfinite(hidden).all()


@given(
    arrays.arrays(
        np.float32,
        (64, 6),
        elements=st.floats(-8, 8, width=32, allow_subnormal=False),
    )
)
def test_weights_round_to_the_nearest_of_127_steps(weights: FloatArray) -> None:
    """No value is further from its weight than half a step, and none can saturate a product."""
    integers = integer_weights(weights, axis=1)
    assert np.abs(integers.values).max() <= 63
    back = integers.values * integers.scales
    assert (np.abs(back - weights) <= integers.scales * 0.501 + 1e-30).all()


@pytest.mark.parametrize("tokens", [2, 3, 5, 64])
def test_no_product_saturates_on_this_cpu(tokens: int) -> None:
    """The largest activations times the largest weights sum exactly, on any instruction set."""
    generator = np.random.default_rng(tokens)
    activations = generator.choice(np.array([1, 254, 255], np.uint8), (tokens, 512))
    weights = generator.choice(np.array([-63, 62, 63], np.int8), (512, 192))
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [tokens, 512])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [tokens, 192])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.array(128, np.uint8), "zero"),
        ],
    )
    opsets = [helper.make_opsetid("", 23)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    binding = Session(model.SerializeToString(), SessionSettings(1)).bind()
    sums = np.empty((tokens, 192), np.int32)
    binding.input("x", activations)
    binding.output("y", sums)
    binding.run()
    expected = (activations.astype(np.int64) - 128) @ weights.astype(np.int64)
    np.testing.assert_array_equal(sums, expected)
