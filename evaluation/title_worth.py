"""What each title brought where it was seen: a plain reward model for doubly robust estimates."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataset.folder import DataFolder
from training.late import LateActs
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels

Values = NDArray[np.float64]


def title_worth(
    folder: DataFolder,
    days: Sequence[str],
    rewards: Rewards | None = None,
    *,
    until: float,
    prior: float = 50.0,
) -> Values:
    """(E,) each title's mean reward where it was seen on ``days``, shrunk by ``prior`` sights.

    Nothing that happened at ``until`` (Unix seconds) or later is seen, and pages that were acted on
    then are left out (`training.late`): what the judged days brought is not what they are told by.
    """
    catalog = folder.catalog()
    labels = RewardLabels.read(folder, catalog, rewards or Rewards.default(), until=until)
    late = LateActs.read(folder, until)
    sums = np.zeros((2, len(catalog.entities)))
    for day in days:
        lines = labels.valued(late.without(folder.impressions(day, day)))
        totals = lines.group_by("entity_id").agg(pl.col("weight").sum(), pl.col("examined").sum())
        for name, weight, examined in totals.iter_rows():
            index = catalog.entity_index(name)
            if index is not None:
                sums[:, index] += (weight, examined)
    mean = sums[0].sum() / max(1.0, sums[1].sum())
    return np.asarray((sums[0] + prior * mean) / (sums[1] + prior))
