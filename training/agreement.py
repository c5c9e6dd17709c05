"""How well predictions of pages' rewards tell what came, and how surely that is known.

*Slope* and *bias* say whether a promise can be taken at its word (Cox 1958; Miller, Hui and Tierney
1991): the regression of what came on what was predicted has slope 1 where predictions are
calibrated; below 1 they promise more than comes, most where they promise most, above 1 less. The
bias is what pages bring beyond what was said of them, on average.

Legend: P pages.
"""

import numpy as np
from numpy.typing import NDArray

from training.bootstrap import spread_of
from training.calibration import rank_correlation

Values = NDArray[np.float64]
_BINS = 5
_DRAWS = 1000


def agreement(predicted: Values, came: Values, members: NDArray[np.int64]) -> dict[str, float]:
    """Of predictions (P,), of what came (P,), and of members (P,), who are drawn for intervals.

    ``lowest`` and ``highest`` are the ends of a 95% interval; NaN where drawing members leaves
    nothing to tell it by.
    """
    pages = np.arange(len(came))

    def told(weights: Values) -> tuple[float, float, float]:
        drawn = np.repeat(pages, weights.astype(np.int64))
        said, was = predicted[drawn], came[drawn]
        return rank_correlation(said, was), slope(said, was), float((was - said).mean())

    spread = np.array(spread_of(told, members, draws=_DRAWS))
    lowest, highest = np.quantile(spread, [0.025, 0.975], axis=0).tolist()
    variance = float(np.square(came - came.mean()).sum())
    error = float(np.square(came - predicted).sum())
    order = np.array_split(np.argsort(predicted, kind="stable"), min(_BINS, len(predicted)))
    gaps = [abs(predicted[bin_].mean() - came[bin_].mean()) * len(bin_) for bin_ in order]
    correlation, steepness, bias = told(np.ones(len(came)))
    return {
        "R2": 1.0 - error / variance if variance else 0.0,
        "rank correlation": correlation,
        "rank correlation, lowest": lowest[0],
        "slope": steepness,
        "slope, lowest": lowest[1],
        "slope, highest": highest[1],
        "bias": bias,
        "bias, lowest": lowest[2],
        "bias, highest": highest[2],
        "calibration error": float(sum(gaps) / len(predicted)),
        "mean predicted": float(predicted.mean()),
        "mean reward": float(came.mean()),
        "deviation": float(came.std()),
    }


def slope(predicted: Values, came: Values) -> float:
    """How much more came where 1 more was predicted, by least squares; NaN where all are alike."""
    away = predicted - predicted.mean()
    spread = float(away @ away)
    return float(away @ came) / spread if spread else float("nan")
