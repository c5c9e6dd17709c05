"""Several documents side by side in one sequence, each blind to the others."""

from dataclasses import dataclass

import torch

from genpage.errors import GenPageError


@dataclass(frozen=True, slots=True)
class Packing:
    """How one (1, tokens) sequence divides into documents, by their lengths in order.

    Positions start at 0 in each document, and attention never crosses from one into another, so
    that a packed document computes what it computes alone.
    """

    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1:
            msg = f"This is a bug: documents of lengths {self.lengths} cannot be packed."
            raise GenPageError(msg)

    @property
    def tokens(self) -> int:
        """All documents' tokens together."""
        return sum(self.lengths)

    @property
    def longest(self) -> int:
        """The longest document's length."""
        return max(self.lengths)

    def positions(self, device: torch.device | None = None) -> torch.Tensor:
        """Each token's position within its document."""  # (tokens,)
        return torch.cat([torch.arange(length, device=device) for length in self.lengths])

    @classmethod
    def single(cls, length: int) -> "Packing":
        """One document alone."""
        return cls((length,))
