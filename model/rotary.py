"""Rotary position embedding (Su et al. 2021), half-split.

The convention is that of onnxruntime's GroupQueryAttention with ``do_rotary=1`` and
``rotary_interleaved=0`` (and of Llama's published code): dimension ``i`` of a head pairs with
dimension ``i + head_dim / 2`` and turns by ``position * theta ** (-2 i / head_dim)``.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Rotary:
    """Cosines and sines for some positions, ready to turn queries and keys."""

    cos: torch.Tensor  # (positions, head_dim / 2)
    sin: torch.Tensor  # (positions, head_dim / 2)

    def turn(self, heads: torch.Tensor) -> torch.Tensor:
        """Turn every head by its token's position."""  # (1, tokens, heads, head_dim) -> same
        first, second = heads.chunk(2, dim=-1)
        cos, sin = self.cos[:, None, :].to(heads.dtype), self.sin[:, None, :].to(heads.dtype)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)

    def at(self, positions: torch.Tensor) -> "Rotary":
        """The tables gathered at ``positions``."""  # (tokens,)
        return Rotary(self.cos[positions], self.sin[positions])


def rotary_table(head_dim: int, positions: int, theta: float) -> Rotary:
    """The tables of all ``positions`` from 0, float32; what GroupQueryAttention takes as caches."""
    pair = torch.arange(head_dim // 2, dtype=torch.float64)
    frequency = theta ** (-2.0 * pair / head_dim)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * frequency[None, :]
    return Rotary(angle.cos().float(), angle.sin().float())
