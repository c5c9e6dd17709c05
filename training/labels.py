"""What impressed titles count for in a loss, as a port: each objective brings its own labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.feedback import is_judged, is_positive, target_weight

Floats = NDArray[np.float32]
Aggregate = Literal["sum", "mean", "max"]


class Labels(Protocol):
    """Says which impressed lines are learnt from, and what each counts for."""

    @property
    def aggregate(self) -> Aggregate:
        """How a row's weight comes of its titles'."""
        ...

    @property
    def counted(self) -> Mapping[str, int]:
        """What of the lines asked for was found wanting, for the record: what it is, how many."""
        ...

    def lines(self, impressions: pl.DataFrame) -> pl.DataFrame:
        """The lines to learn from, of one day's impressions, with a column ``weight``."""
        ...


@dataclass(frozen=True, slots=True)
class PositiveFeedback:
    """Pretraining's labels: pages with positive feedback, up to the last judged row.

    See `training.feedback`.
    """

    aggregate: Aggregate = "max"

    @property
    def counted(self) -> Mapping[str, int]:
        """Nothing: what is no positive feedback is no fault."""
        return {}

    def lines(self, impressions: pl.DataFrame) -> pl.DataFrame:
        """The lines of those pages."""
        action = pl.col("action")
        return (
            impressions.with_columns(
                is_judged(action, pl.col("seen")).alias("judged"),
                is_positive(action).alias("positive"),
            )
            .filter(pl.col("positive").any().over("page_id"))
            .with_columns(
                pl.col("row_pos").filter("judged").max().over("page_id").alias("last_judged")
            )
            .filter(pl.col("row_pos") <= pl.col("last_judged"))
            .with_columns(target_weight(action).alias("weight"))
        )


def row_weights(weights: Floats, starts: NDArray[np.int64], aggregate: Aggregate) -> Floats:
    """(rows,) of titles' weights (cells,); a row's cells begin at each of ``starts``.

    A title that counts for nothing, as one that nobody saw, takes no part in a mean, and is no
    largest one: of a row whose seen titles were all passed over the best is a loss.
    """
    counted = weights != 0
    there = np.add.reduceat(counted.astype(np.float32), starts)  # (rows,)
    if aggregate == "max":
        best = np.maximum.reduceat(np.where(counted, weights, -np.inf), starts)
        return np.where(there > 0, best, 0.0).astype(np.float32)
    reduced: Floats = np.add.reduceat(weights, starts).astype(np.float32)
    if aggregate == "mean":
        reduced /= np.maximum(1, there)
    return reduced
