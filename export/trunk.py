"""The trunk as an ONNX graph with KV-cache inputs and outputs.

The network's own layers are traced by torch's dynamo exporter; only each `AttentionCore` gives way
to onnxruntime's GroupQueryAttention, which turns queries and keys by their positions, appends them
to the cache and attends over it. Bound to the same memory, ``past_*`` and ``present_*`` are one
buffer that is updated in place.

The graph's inputs and outputs, T tokens (at least 2), L layers, K key-value heads, S the cache's
length, D head dim::

    embeddings             (1, T, width)  float32    the new tokens
    seqlens_k              (1,)           int32      tokens in the cache after them, less one
    total_sequence_length  ()             int32      tokens in the cache after them
    past_key_i             (1, K, S, D)   float32    i = 0 .. L-1, likewise past_value_i
    hidden                 (1, T, width)  float32
    present_key_i          (1, K, S, D)   float32    likewise present_value_i
"""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import onnx_ir as ir
import torch
from torch import nn

from model.config import ModelConfig
from model.rotary import Rotary, rotary_table
from model.trunk import Trunk
from runtime.signature import (
    EMBEDDINGS,
    HIDDEN,
    MICROSOFT,
    SEQLENS,
    TOTAL,
    past_names,
    present_names,
)

# The first with RMSNormalization, which onnxruntime fuses the norms into.
OPSET = 23
# What the exporter's own signature asks for; only whole numbers are used.
_Attribute = (
    int | float | str | bool | Sequence[int] | Sequence[float] | Sequence[str] | Sequence[bool]
)
_TRACED_TOKENS = 4
_TRACED_CACHE = 16


@dataclass(slots=True)
class _Feed:
    """What one traced call hands to its attention cores, in the place of a `Packing`."""

    past: tuple[torch.Tensor, ...]  # 2 L of (1, K, S, D): key and value of each layer in turn
    seqlens: torch.Tensor
    total: torch.Tensor
    rotary: Rotary
    present: list[torch.Tensor] = field(default_factory=list)


class _CachedCore(nn.Module):
    """GroupQueryAttention with ``do_rotary`` in the place of an `AttentionCore`."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.attributes: dict[str, _Attribute] = {
            "num_heads": config.heads,
            "kv_num_heads": config.kv_heads,
            "do_rotary": 1,
            "rotary_interleaved": 0,
        }

    def forward(
        self,
        query: torch.Tensor,  # (1, T, heads * D)
        key: torch.Tensor,  # (1, T, K * D)
        value: torch.Tensor,  # (1, T, K * D)
        feed: _Feed,
    ) -> torch.Tensor:
        """Each token's mix of the cached values."""  # (1, T, heads * D)
        past_key, past_value = feed.past[2 * self.layer : 2 * self.layer + 2]
        mixed, *present = torch.onnx.ops.symbolic_multi_out(
            f"{MICROSOFT}::GroupQueryAttention",
            [
                *(query, key, value, past_key, past_value),
                *(feed.seqlens, feed.total, feed.rotary.cos, feed.rotary.sin),
            ],
            self.attributes,
            dtypes=(query.dtype, past_key.dtype, past_value.dtype),
            shapes=(query.shape, past_key.shape, past_value.shape),
            version=1,
        )
        feed.present += present
        return mixed


class _CachedTrunk(nn.Module):
    """A trunk over a KV cache; shares the weights it is given."""

    cos: torch.Tensor  # (positions, D / 2)
    sin: torch.Tensor  # (positions, D / 2)

    def __init__(
        self, config: ModelConfig, weights: Mapping[str, torch.Tensor], positions: int
    ) -> None:
        super().__init__()
        # On the meta device nothing is allocated: the weights given take the place of its own.
        with torch.device("meta"):
            self.trunk = Trunk(config)
        self.trunk.load_state_dict(dict(weights), assign=True)
        for layer, block in enumerate(self.trunk.blocks):
            block.get_submodule("attention").core = _CachedCore(config, layer)
        table = rotary_table(config.head_dim, positions, config.rope_theta)
        self.register_buffer("cos", table.cos)
        self.register_buffer("sin", table.sin)

    def forward(
        self,
        embeddings: torch.Tensor,
        seqlens: torch.Tensor,
        total: torch.Tensor,
        *past: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        feed = _Feed(past, seqlens, total, Rotary(self.cos, self.sin))
        hidden: torch.Tensor = self.trunk(embeddings, feed)
        return (hidden, *feed.present)


def trunk_graph(
    config: ModelConfig, weights: Mapping[str, torch.Tensor], positions: int
) -> ir.Model:
    """The float32 graph of a trunk.

    ``weights`` are those of `model.trunk.Trunk`, ``positions`` the most tokens that a cache may
    ever hold (the length of the rotary tables).
    """
    trunk = _CachedTrunk(
        config, {name: value.float() for name, value in weights.items()}, positions
    )
    shape = (1, config.kv_heads, _TRACED_CACHE, config.head_dim)
    # Each its own tensor: one that is passed twice is traced as one input.
    caches = tuple(torch.zeros(shape) for _ in range(2 * config.layers))
    tokens, length = torch.export.Dim("tokens", min=2), torch.export.Dim("capacity", min=2)
    with _quiet():
        program = torch.onnx.export(
            trunk.eval(),
            (
                torch.zeros(1, _TRACED_TOKENS, config.width),
                torch.zeros(1, dtype=torch.int32),
                torch.zeros((), dtype=torch.int32),
                *caches,
            ),
            dynamo=True,
            opset_version=OPSET,
            input_names=[EMBEDDINGS, SEQLENS, TOTAL, *past_names(config.layers)],
            output_names=[HIDDEN, *present_names(config.layers)],
            dynamic_shapes=({1: tokens}, None, None, tuple({2: length} for _ in caches)),
            verbose=False,
        )
    assert program is not None
    _strip(program.model)
    return program.model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about things that are as intended off a user's terminal."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # torchvision's operators are not registered: none is used
    try:
        with warnings.catch_warnings():
            # All caches share one length, and are given one name for it.
            warnings.filterwarnings("ignore", message="# The axis name: capacity will not be used")
            yield
    finally:
        log.setLevel(level)


def _strip(model: ir.Model) -> None:
    """Drop the exporter's notes: stack traces and file names of the machine it ran on."""
    model.metadata_props.clear()
    model.doc_string = None
    graph = model.graph
    graph.metadata_props.clear()
    graph.doc_string = None
    for node in graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.initializers.values()):
        value.metadata_props.clear()
