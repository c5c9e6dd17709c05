"""The titles of packed pages: what they are, and where the sequence tells of them."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, eq=False)
class ShownTitles:
    """The K titles of packed pages.

    ``before`` are the positions that predict them, ``after`` their own, the same where a title is
    not in the sequence (a short row's tail, `tokenizer.page`). ``beside`` is what their appeal adds
    to each on its page.
    """

    tokens: torch.Tensor  # (K,)
    before: torch.Tensor  # (K,)
    after: torch.Tensor  # (K,)
    beside: torch.Tensor  # (K,)
