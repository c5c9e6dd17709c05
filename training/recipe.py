"""What is peculiar to a size of model: how long it trains, on how much at once, how fast."""

from collections.abc import Mapping
from dataclasses import dataclass

from model.config import Size


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps (None: one epoch), tokens a batch, AdamW's peak rate."""

    steps: int | None
    batch_tokens: int
    lr: float


PRETRAINING: Mapping[Size, Recipe] = {
    "micro": Recipe(300, 4096, 4e-3),
    "tiny": Recipe(300, 4096, 3e-3),
    "small": Recipe(None, 8192, 1.5e-3),
    "120m": Recipe(None, 16384, 6e-4),
    "200m": Recipe(None, 16384, 5e-4),
    "450m": Recipe(None, 32768, 4e-4),
    "900m": Recipe(None, 32768, 3e-4),
}
# What is trained after pretraining starts near where it ends: gentler, and shorter where it counts.
WBC: Mapping[Size, Recipe] = {
    "micro": Recipe(250, 4096, 2e-3),
    "tiny": Recipe(250, 4096, 1.5e-3),
    "small": Recipe(None, 8192, 6e-4),
    "120m": Recipe(None, 16384, 2e-4),
    "200m": Recipe(None, 16384, 2e-4),
    "450m": Recipe(None, 32768, 1.5e-4),
    "900m": Recipe(None, 32768, 1e-4),
}
REWARD_MODEL: Mapping[Size, Recipe] = {
    "micro": Recipe(150, 4096, 1e-3),
    "tiny": Recipe(150, 4096, 1e-3),
    "small": Recipe(None, 8192, 6e-4),
    "120m": Recipe(None, 16384, 2e-4),
    "200m": Recipe(None, 16384, 2e-4),
    "450m": Recipe(None, 32768, 1.5e-4),
    "900m": Recipe(None, 32768, 1e-4),
}
