"""The entity ranker: gradient-boosted trees by LightGBM, LambdaRank (Burges 2010).

Shape legend: n lines of all groups together, F features, g groups (requests), c candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}


@dataclass(frozen=True, slots=True)
class RankingSettings:
    """How the trees grow. Chosen on validation days (docs/quality.md)."""

    trees: int = 200
    leaves: int = 31
    learning_rate: float = 0.06
    least_in_leaf: int = 60
    feature_share: float = 0.7
    truncation: int = 15
    l2: float = 5.0


@dataclass(frozen=True, slots=True)
class Group:
    """The candidates of one request: their features and how relevant each turned out to be.

    In no telling order: a ranker that finds the relevant one first in every group of equal scores
    has nothing left to learn.
    """

    features: Floats  # (c, F)
    relevance: NDArray[np.int8]  # (c,)

    @classmethod
    def shuffled(
        cls, features: Floats, relevance: NDArray[np.int8], chance: np.random.Generator
    ) -> "Group":
        """The lines in a drawn order."""
        order = chance.permutation(len(relevance))
        return cls(features[order], relevance[order])


@dataclass(frozen=True, slots=True)
class EntityRanker:
    """Trees that score candidates."""

    trees: lightgbm.Booster

    def scores(self, features: Floats) -> Floats:
        """(c,) of features (c, F)."""
        scores: Floats = np.asarray(self.trees.predict(features, num_threads=1), np.float32)
        return scores


def learn_ranker(
    groups: Sequence[Group], names: Sequence[str], settings: RankingSettings, *, seed: int = 0
) -> EntityRanker:
    """A ranker of these groups, of which each must hold something relevant."""
    data = lightgbm.Dataset(
        np.concatenate([group.features for group in groups]),
        label=np.concatenate([group.relevance for group in groups]),
        group=[len(group.relevance) for group in groups],
        feature_name=list(names),
        params=_QUIET,
    )
    parameters = {
        **_QUIET,
        "objective": "lambdarank",
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.least_in_leaf,
        "feature_fraction": settings.feature_share,
        "lambdarank_truncation_level": settings.truncation,
        "lambda_l2": settings.l2,
        "seed": seed,
    }
    return EntityRanker(lightgbm.train(parameters, data, num_boost_round=settings.trees))
