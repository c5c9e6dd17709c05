"""An embedding table whose rows fuse an ID with what is known of the content.

Semantic embedding fusion (METHOD): ``row = id + gate(id) * (content @ projection)`` with
``gate(id) = sigmoid(id @ gate_weight + gate_bias)``, one number a token. The gate reads the ID
embedding, so that a fallback ID (which says little) can open it wide and a well-trained ID close
it, and so that a new token that starts as a copy of its fallback starts as the same function. A
token without content (symbols, rows) has zeros there: its row is its ID alone.

An unseen title needs nothing but these four arrays: ``fuse(ids[fallback], content)``.
"""

import math

import torch
from torch import nn
from torch.nn.functional import embedding


class FusedTable(nn.Module):
    """The embeddings of one side (input or output). V tokens, d width, C content dimensions."""

    def __init__(self, vocab_size: int, width: int, content_dim: int) -> None:
        super().__init__()
        self.ids = nn.Parameter(torch.zeros(vocab_size, width))
        self.projection = nn.Parameter(torch.zeros(content_dim, width))
        self.gate_weight = nn.Parameter(torch.zeros(width))
        self.gate_bias = nn.Parameter(torch.zeros(()))

    def fuse(self, ids: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
        """Rows from ID embeddings and contents."""  # (n, d), (n, C) -> (n, d)
        gate = torch.sigmoid(ids @ self.gate_weight + self.gate_bias)
        return ids + gate[:, None] * (content @ self.projection)

    def rows(
        self, tokens: torch.Tensor, content: torch.Tensor, identity: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The rows of some tokens: (n,), (V, C) -> (n, d).

        ``identity`` (V,) says whose ID embedding each token wears, its own where None; training's
        ID dropout points some entities at their fallback.
        """
        wearing = tokens if identity is None else identity[tokens]
        # `embedding` sums a repeated token's gradients in a fixed order; indexing does not.
        return self.fuse(embedding(wearing, self.ids), content[tokens])

    def table(self, content: torch.Tensor, identity: torch.Tensor | None = None) -> torch.Tensor:
        """All rows."""  # (V, C) -> (V, d)
        return self.fuse(self.ids if identity is None else embedding(identity, self.ids), content)

    @torch.no_grad()
    def initialise(self, std: float, generator: torch.Generator) -> None:
        """Fresh weights: rows of this standard deviation, the gate half open."""
        self.ids.normal_(0.0, std, generator=generator)
        # A content vector has unit length: projected, it stands as long as an ID.
        self.projection.normal_(0.0, std, generator=generator)
        self.gate_weight.zero_()
        self.gate_bias.zero_()


def unit_std(width: int) -> float:
    """The standard deviation that gives rows of ``width`` an expected length of 1."""
    return 1.0 / math.sqrt(width)
