"""Grouped-query attention; its core stands alone so that an export can swap it.

`AttentionCore` takes projected queries, keys and values and does all that depends on positions
and on other tokens. Replacing ``attention.core`` by a module with the same ``forward`` (a KV cache
behind it, say) changes where the past comes from and nothing else.

Legend: T tokens, H query heads, K key-value heads, D head dim, N documents, L the longest one.
"""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from model.config import ModelConfig
from model.packing import Packing
from model.rotary import Rotary, rotary_table


class AttentionCore(nn.Module):
    """Rotary positions and causal attention within each packed document."""

    cos: torch.Tensor  # (positions, D / 2)
    sin: torch.Tensor  # (positions, D / 2)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        table = rotary_table(config.head_dim, config.positions, config.rope_theta)
        self.register_buffer("cos", table.cos, persistent=False)
        self.register_buffer("sin", table.sin, persistent=False)

    def forward(
        self,
        query: torch.Tensor,  # (1, T, H * D)
        key: torch.Tensor,  # (1, T, K * D)
        value: torch.Tensor,  # (1, T, K * D)
        packing: Packing,
    ) -> torch.Tensor:
        """Each token's mix of the values before it in its document."""  # (1, T, H * D)
        tokens = query.shape[1]
        rotary = Rotary(self.cos, self.sin).at(packing.positions)
        query = rotary.turn(query.view(1, tokens, self.heads, self.head_dim))
        key = rotary.turn(key.view(1, tokens, self.kv_heads, self.head_dim))
        value = value.view(1, tokens, self.kv_heads, self.head_dim)
        # A GPU wants one large call, a CPU no padding; a test holds the two against each other.
        mix = mix_grid if query.is_cuda else mix_documents
        return mix(query, key, value, packing).reshape(1, tokens, self.heads * self.head_dim)


def mix_documents(
    query: torch.Tensor,  # (1, T, H, D)
    key: torch.Tensor,  # (1, T, K, D)
    value: torch.Tensor,  # (1, T, K, D)
    packing: Packing,
) -> torch.Tensor:
    """Causal attention, one call a document."""  # (1, T, H, D)
    lengths = list(packing.lengths)
    documents = zip(*(torch.split(x, lengths, dim=1) for x in (query, key, value)), strict=True)
    return torch.cat([_causal(q, k, v) for q, k, v in documents], dim=1)


def mix_grid(
    query: torch.Tensor,  # (1, T, H, D)
    key: torch.Tensor,  # (1, T, K, D)
    value: torch.Tensor,  # (1, T, K, D)
    packing: Packing,
) -> torch.Tensor:
    """Causal attention over a padded grid of documents, in one call.

    Padding stands after a document's end, where causality hides it from every real token.
    """  # (1, T, H, D)
    size = len(packing.lengths) * packing.longest

    def grid(packed: torch.Tensor) -> torch.Tensor:
        spread = packed.new_zeros(size, *packed.shape[2:]).index_copy(0, packing.cells, packed[0])
        shape = (len(packing.lengths), packing.longest, *packed.shape[2:])
        return spread.view(shape)  # (N, L, heads, D)

    mixed = _causal(grid(query), grid(key), grid(value))
    return mixed.flatten(0, 1).index_select(0, packing.cells)[None]


def _causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    mixed = scaled_dot_product_attention(
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        is_causal=True,
        enable_gqa=True,
    )
    return mixed.transpose(1, 2)


class Attention(nn.Module):
    """Projections around an `AttentionCore`; no biases."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.width, config.query_width, bias=False)
        self.key = nn.Linear(config.width, config.kv_width, bias=False)
        self.value = nn.Linear(config.width, config.kv_width, bias=False)
        self.out = nn.Linear(config.query_width, config.width, bias=False)
        self.core: nn.Module = AttentionCore(config)

    def forward(self, stream: torch.Tensor, packing: Packing) -> torch.Tensor:
        """What attention adds to the residual stream."""  # (1, T, width) -> (1, T, width)
        mixed: torch.Tensor = self.core(
            self.query(stream), self.key(stream), self.value(stream), packing
        )
        added: torch.Tensor = self.out(mixed)
        return added
