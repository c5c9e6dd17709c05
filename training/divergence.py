"""When training has come to numbers that are none."""

import math
from collections.abc import Mapping

from genpage.errors import TrainingError


def check_finite(step: int, lr: float, values: Mapping[str, float]) -> None:
    """`TrainingError` where a loss or a gradient's norm is no finite number, by its name."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"step {step}: the {name} is {value}; training diverged and no checkpoint was "
                f"written. Begin anew with a lower --lr (it is {lr:g} here) and --force; if that "
                "does not help, look for absurd values in the data with `genpage validate`."
            )
