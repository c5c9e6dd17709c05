"""A draft head's arrays, as a bundle has them: untrained."""

import numpy as np

from runtime.arrays import FloatArray
from runtime.draft_head import DraftHead


def draft_arrays(width: int, own: int, *, seed: int = 5) -> dict[str, FloatArray]:
    """Beside a trunk of ``width``. It scores about as the place that it starts from was scored."""
    numbers = np.random.default_rng(seed)
    turn = np.linalg.qr(numbers.normal(size=(max(width, own), min(width, own))))[0]
    turn = turn if own > width else turn.T
    arrays = {
        name: (0.2 * numbers.normal(size=shape)).astype(np.float32)
        for name, shape in DraftHead.shapes(width, own).items()
    }
    return arrays | {name: turn.astype(np.float32) for name in ("state.weight", "outputs")}
