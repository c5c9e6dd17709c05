"""The trunk: embeddings in, hidden states out; it knows no vocabulary.

A pre-norm decoder (Llama, Touvron et al. 2023): RMSNorm (Zhang and Sennrich 2019), rotary
grouped-query attention, SwiGLU (Shazeer 2020), no biases, no dropout.
"""

import math

import torch
from torch import nn
from torch.nn.functional import silu
from torch.utils.checkpoint import checkpoint

from model.attention import Attention
from model.config import ModelConfig
from model.packing import Packing

# Standard deviation of a fresh linear layer's weights is this over the root of its inputs.
_INIT_GAIN = 1.0


class RMSNorm(nn.Module):
    """Scale each token to a root mean square of 1, then by a learned weight; in float32."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        """Normalise the last dimension."""  # (..., width) -> (..., width)
        wide = stream.float()
        scale = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        return (wide * scale * self.weight).to(stream.dtype)


class SwiGLU(nn.Module):
    """The feed-forward layer: ``down(silu(gate(x)) * up(x))``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.ffn, bias=False)
        self.up = nn.Linear(config.width, config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.width, bias=False)

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        """What the layer adds to the residual stream."""  # (1, T, width) -> (1, T, width)
        added: torch.Tensor = self.down(silu(self.gate(stream)) * self.up(stream))
        return added


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each on the normalised stream and added to it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_eps)
        self.attention = Attention(config)
        self.ffn_norm = RMSNorm(config.width, config.norm_eps)
        self.ffn = SwiGLU(config)

    def forward(self, stream: torch.Tensor, packing: Packing) -> torch.Tensor:
        """The stream after this layer."""  # (1, T, width) -> (1, T, width)
        stream = stream + self.attention(self.attention_norm(stream), packing)
        after: torch.Tensor = stream + self.ffn(self.ffn_norm(stream))
        return after


class Trunk(nn.Module):
    """All layers and the last norm. ``packing`` passes through to each attention core untouched.

    With ``recompute`` a training pass keeps layers' inputs alone and computes the rest again on the
    way back.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self.recompute = False

    def forward(self, embeddings: torch.Tensor, packing: Packing) -> torch.Tensor:
        """Hidden states, normalised: a dot product with an output vector is a logit."""
        stream = embeddings  # (1, T, width)
        for block in self.blocks:
            if self.recompute and torch.is_grad_enabled():
                stream = checkpoint(block, stream, packing, use_reentrant=False)
            else:
                stream = block(stream, packing)
        hidden: torch.Tensor = self.norm(stream)
        return hidden  # (1, T, width)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights; what writes to the residual stream is scaled down by its depth."""
        deep = {"out.weight", "down.weight"}
        for name, weight in self.named_parameters():
            if weight.dim() == 1:
                weight.fill_(1.0)
                continue
            std = _INIT_GAIN / math.sqrt(weight.shape[1])
            if name.split(".", 3)[-1] in deep:
                std /= math.sqrt(2 * self.config.layers)
            weight.normal_(0.0, std, generator=generator)
