"""Several documents side by side in one sequence, each blind to the others."""

from dataclasses import dataclass
from functools import cached_property

import torch

from genpage.errors import GenPageError


@dataclass(frozen=True)
class Packing:
    """How one (1, tokens) sequence divides into documents, by their lengths in order.

    Positions start at 0 in each document, and attention never crosses from one into another, so
    that a packed document computes what it computes alone. Index tensors are made once, on
    ``device`` (the CPU where None).
    """

    lengths: tuple[int, ...]
    device: torch.device | None = None

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1:
            raise GenPageError(
                f"This is a bug: documents of lengths {self.lengths} cannot be packed."
            )

    @property
    def tokens(self) -> int:
        """All documents' tokens together."""
        return sum(self.lengths)

    @property
    def longest(self) -> int:
        """The longest document's length."""
        return max(self.lengths)

    @cached_property
    def positions(self) -> torch.Tensor:
        """(tokens,) each token's position within its document."""
        return torch.cat([torch.arange(n) for n in self.lengths]).to(self.device)

    @cached_property
    def cells(self) -> torch.Tensor:
        """(tokens,) each token's cell in a (documents x longest) grid, row by row."""
        starts = torch.arange(len(self.lengths)) * self.longest
        rows = torch.repeat_interleave(starts, torch.tensor(self.lengths))
        return rows.to(self.device) + self.positions

    @classmethod
    def single(cls, length: int, device: torch.device | None = None) -> "Packing":
        """One document alone."""
        return cls((length,), device)
