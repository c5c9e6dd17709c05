"""Grouped-query attention; its core stands alone so that an export can swap it.

`AttentionCore` takes projected queries, keys and values and does all that depends on positions
and on other tokens. Replacing ``attention.core`` by a module with the same ``forward`` (a KV cache
behind it, say) changes where the past comes from and nothing else.

Legend: T tokens, H query heads, K key-value heads, D head dim.
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
        rotary = Rotary(self.cos, self.sin).at(packing.positions(query.device))
        query = rotary.turn(query.view(1, tokens, self.heads, self.head_dim))
        key = rotary.turn(key.view(1, tokens, self.kv_heads, self.head_dim))
        value = value.view(1, tokens, self.kv_heads, self.head_dim)
        lengths = list(packing.lengths)
        mixed = [
            scaled_dot_product_attention(
                q.transpose(1, 2),
                k.transpose(1, 2),
                v.transpose(1, 2),
                is_causal=True,
                enable_gqa=True,
            ).transpose(1, 2)
            for q, k, v in zip(
                torch.split(query, lengths, dim=1),
                torch.split(key, lengths, dim=1),
                torch.split(value, lengths, dim=1),
                strict=True,
            )
        ]
        return torch.cat(mixed, dim=1).reshape(1, tokens, self.heads * self.head_dim)


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
