"""What the row ranker sees of a row with the titles that it would show.

Shape legend: k rows, C places of a row, R catalog rows.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.multistage.audience import REQUEST, Rates
from genpage.catalog import Catalog

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
_FADE: Final = 0.9
ROW_FEATURES: Final = (
    "row",
    "kind",
    "position",
    "titles",
    "best",
    "best3",
    "best6",
    "all",
    "faded",
    "rate",
    "own_row",
    "own_kind",
    *REQUEST,
)
CATEGORIES: Final = ("row", "kind")


class RowFeatures:
    """Holds the catalog's rows."""

    def __init__(self, catalog: Catalog) -> None:
        kinds = sorted({row.kind for row in catalog.rows})
        self._kind = np.array([kinds.index(row.kind) for row in catalog.rows])

    def of(
        self, rows: Ints, values: Floats, position: Ints, acts: Floats, rates: Rates, asked: Floats
    ) -> Floats:
        """(k, F) in the order of `ROW_FEATURES`.

        ``values`` (k, C) is what each place's title is thought worth, NaN beyond a short row's end;
        ``acts`` (R,) counts the member's own acts in each row, ``asked`` are `request_features`.
        """
        there = ~np.isnan(values)
        worth = np.where(there, values, 0.0)
        fade = _FADE ** np.arange(values.shape[1])
        by_kind = np.bincount(self._kind, acts, self._kind.max() + 1)
        total = max(1.0, float(acts.sum()))
        columns = [
            rows,
            self._kind[rows],
            position,
            there.sum(axis=1),
            worth[:, :1].sum(axis=1),
            worth[:, :3].sum(axis=1),
            worth[:, :6].sum(axis=1),
            worth.sum(axis=1),
            worth @ fade,
            rates.row[rows],
            acts[rows] / total,
            by_kind[self._kind[rows]] / total,
        ]
        own = np.stack([np.asarray(column, np.float32) for column in columns], axis=1)
        return np.concatenate([own, np.broadcast_to(asked, (len(rows), len(asked)))], axis=1)
