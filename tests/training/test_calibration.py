"""Reliability, calibration error and weighted AUC against plain loops."""

import numpy as np
import pytest

from training.calibration import reliability, weighted_auc


def test_a_calibrated_prediction_has_no_error() -> None:
    """Chances of one half that come true half of the time; then ones that never do."""
    chances, weights = np.full(400, 0.5), np.ones(400)
    half = np.tile([0.0, 1.0], 200)
    assert reliability(chances, half, weights, bins=4).error == pytest.approx(0.0, abs=1e-9)
    assert reliability(chances, np.zeros(400), weights, bins=4).error == pytest.approx(0.5)


def test_bins_hold_equal_weight_and_their_own_means() -> None:
    """Two bins of weight 4: the heavy prediction alone, the four light ones together."""
    found = reliability(
        np.array([0.1, 0.2, 0.3, 0.4, 0.9]),
        np.array([0.0, 0.0, 1.0, 0.0, 1.0]),
        np.array([1.0, 1.0, 1.0, 1.0, 4.0]),
        bins=2,
    )
    assert found.weight.tolist() == [4.0, 4.0]
    assert found.predicted == pytest.approx([0.25, 0.9])
    assert found.came == pytest.approx([0.25, 1.0])
    assert found.error == pytest.approx((0.0 * 4 + 0.1 * 4) / 8)


def test_weighted_auc_is_the_share_of_ordered_pairs() -> None:
    """Every good one against every bad one, by the product of their weights; ties half."""
    chance = np.random.default_rng(0)
    scores = np.round(chance.random(60), 1)
    good = (chance.random(60) < 0.4).astype(np.float64)
    weights = chance.random(60)
    total, above = 0.0, 0.0
    for i in np.flatnonzero(good == 1):
        for j in np.flatnonzero(good == 0):
            pair = weights[i] * weights[j]
            total += pair
            above += pair * (1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0)
    assert weighted_auc(scores, good, weights) == pytest.approx(above / total)


def test_one_kind_alone_has_no_auc() -> None:
    """There is no pair to order."""
    assert weighted_auc(np.array([0.1, 0.2]), np.ones(2), np.ones(2)) is None
