"""The traced graph: its signature, its silence about the machine, its agreement with PyTorch."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from export.trunk import trunk_graph
from model.config import ModelConfig
from model.packing import Packing
from model.trunk import Trunk
from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.sessions import SessionSettings
from runtime.signature import trunk_signature
from runtime.tables import FusedTable
from runtime.trunk import TrunkBackend

CAPACITY = 96
CONFIGS = (
    ModelConfig(width=64, layers=1, heads=2, kv_heads=2, head_dim=32, ffn=64),
    ModelConfig(width=128, layers=2, heads=4, kv_heads=1, head_dim=64, ffn=192, rope_theta=5e3),
)


@pytest.mark.parametrize("config", CONFIGS, ids=["all heads", "shared heads"])
def test_hidden_states_are_pytorchs(tmp_path: Path, config: ModelConfig) -> None:
    """Fed in chunks over the cache, the graph gives what the network gives in one go."""
    trunk = Trunk(config)
    trunk.initialise(torch.Generator().manual_seed(1))
    ir.save(trunk_graph(config, trunk.state_dict(), CAPACITY + 1), tmp_path / "trunk.onnx")
    table = np.random.default_rng(0).standard_normal((50, config.width)).astype(np.float32)
    backend = TrunkBackend(
        tmp_path / "trunk.onnx",
        trunk_signature(
            width=config.width,
            layers=config.layers,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
        ),
        bare(table),
        capacity=CAPACITY,
        slots=1,
        settings=SessionSettings(1),
    )
    tokens = np.random.default_rng(1).integers(50, size=CAPACITY).astype(np.int32)
    parts = [
        backend.forward([Chunk(0, start, part, scored=len(part))])[0].copy()
        for start, part in ((0, tokens[:41]), (41, tokens[41:42]), (42, tokens[42:]))
    ]
    with torch.inference_mode():
        expected = trunk(torch.from_numpy(table[tokens])[None], Packing.single(CAPACITY))[0]
    np.testing.assert_allclose(np.concatenate(parts), expected.numpy(), rtol=0, atol=2e-5)


def bare(rows: FloatArray) -> FusedTable:
    """A table (V, d) without content."""
    none = np.zeros((1, rows.shape[1]), np.float32)
    return FusedTable(rows, none, none[0], np.zeros((), np.float32))


def test_the_graph_tells_nothing_of_the_machine(fp32_bundle: Path) -> None:
    """The exporter's stack traces, with their file names, stay out of the bundle."""
    content = (fp32_bundle / "trunk.onnx").read_bytes()
    assert b".py" not in content
    assert b"stack_trace" not in content


def test_each_layer_has_a_cache_of_its_own(fp32_bundle: Path) -> None:
    """Every attention node reads its layer's key and value, and writes them."""
    graph = onnx.load(fp32_bundle / "trunk.onnx", load_external_data=False).graph
    nodes = [node for node in graph.node if node.op_type == "GroupQueryAttention"]
    for layer, node in enumerate(nodes):
        assert list(node.input[3:5]) == [f"past_key_{layer}", f"past_value_{layer}"]
        assert list(node.output[1:3]) == [f"present_key_{layer}", f"present_value_{layer}"]
    assert len(nodes) == 2
