"""The middle and the end of a sample of times."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float
    n: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of at least one value."""
        p50, p95 = np.percentile(values, (50, 95))
        return cls(round(float(p50), 2), round(float(p95), 2), len(values))
