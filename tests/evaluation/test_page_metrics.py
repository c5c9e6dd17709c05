"""Page metrics against formulas written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.page_metrics import Places, auc, auc_of, page_ndcg, wbc_loss
from genpage.errors import DatasetError


def places(score: list[float], reward: list[float], page: list[int] | None = None) -> Places:
    """Places of one member a page."""
    pages = np.array(page or [0] * len(score))
    return Places(np.array(score, float), np.array(reward, float), pages, pages)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.integers(1, 3)), max_size=12))
def test_auc_counts_pairs(lines: list[tuple[int, bool, int]]) -> None:
    """The share of (positive, other) pairs in the right order, ties half, each by its weights."""
    won = total = 0.0
    for score, positive, weight in lines:
        for other, other_positive, other_weight in lines:
            if positive and not other_positive:
                total += weight * other_weight
                won += weight * other_weight * (1.0 if score > other else 0.5 * (score == other))
    found = auc(
        np.array([s for s, _, _ in lines], float),
        np.array([p for _, p, _ in lines], bool),
        np.array([w for *_, w in lines], float),
    )
    if total:
        assert found == pytest.approx(won / total)
    else:
        assert math.isnan(found)


def test_wbc_loss_is_the_weighted_cross_entropy() -> None:
    """Label = sign, weight = magnitude; what brought nothing is a light negative."""
    found = wbc_loss(places([0.3, -1.0, 2.0], [0.8, -0.5, 0.0]), unrewarded=0.1)

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    nats = -0.8 * math.log(sigmoid(0.3)) - 0.5 * math.log(1 - sigmoid(-1.0))
    nats -= 0.1 * math.log(1 - sigmoid(2.0))
    assert found.value == pytest.approx(nats / 1.4)


def test_page_ndcg_by_hand() -> None:
    """Two pages with a gain, one without; each page orders its own places only."""
    found = page_ndcg(
        places(
            [0.9, 0.5, 0.1, 0.2, 0.8, 5.0],
            [0.0, 2.0, 1.0, 3.0, -1.0, 0.0],
            [0, 0, 0, 1, 1, 2],
        )
    )
    first = (2 / math.log2(3) + 1 / math.log2(4)) / (2 + 1 / math.log2(3))
    second = (3 / math.log2(3)) / 3
    assert found.value == pytest.approx((first + second) / 2)


def test_a_perfect_order_is_one() -> None:
    """Scores that are the rewards reach AUC 1 and NDCG 1."""
    reward = np.random.default_rng(0).normal(size=60)
    ideal = Places(reward, reward, np.repeat(np.arange(6), 10), np.repeat(np.arange(6), 10))
    assert auc_of(ideal).value == 1.0
    assert page_ndcg(ideal).value == pytest.approx(1.0)


@pytest.mark.parametrize("reward", [[], [0.0, 0.0, 0.0], [-1.0, 0.0, -0.5], [0.5, 1.0, 2.0]])
def test_a_figure_that_the_places_do_not_tell_is_not_known(reward: list[float]) -> None:
    """Nothing rewarded, nothing else, nothing at all: no error, and no figure."""
    found = places([0.1, 0.2, 0.3][: len(reward)], reward)
    assert not auc_of(found).known
    assert wbc_loss(found, unrewarded=0.0).known is any(reward)
    assert page_ndcg(found).known is any(each > 0 for each in reward)


def test_broken_scores_are_refused() -> None:
    """A score that is no number would decide a comparison in silence."""
    with pytest.raises(DatasetError, match="no number"):
        places([float("nan")], [0.0])
