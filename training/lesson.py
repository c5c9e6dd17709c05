"""What an objective may look at before its first step: the pages of a run, as anybody may."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from training.seen import SeenTitles


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """``seen`` reads so many of the newest pages at most; the others are the catalog's."""

    seen: Callable[[int], SeenTitles | None]
    content: torch.Tensor  # (E, C)
    tokens: torch.Tensor  # (E,)
    seed: int
