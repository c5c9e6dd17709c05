"""Agreement of predictions with what came: by hand, by scipy, by simulation."""

import numpy as np
import pytest
from scipy.stats import linregress

from training.agreement import agreement, slope
from training.bootstrap import spread_of


def test_agreement_by_hand() -> None:
    """R2 against the mean, calibration over bins of equal size, slope and bias."""
    came, members = np.array([0.0, 1.0, 2.0, 3.0]), np.arange(4)
    exact = agreement(came, came, members)
    assert (exact["R2"], exact["calibration error"]) == (1.0, 0.0)
    assert exact["rank correlation"] == pytest.approx(1.0)
    assert (exact["slope"], exact["bias"]) == pytest.approx((1.0, 0.0))
    shifted = agreement(came + 1.0, came, members)
    assert shifted["R2"] == pytest.approx(1.0 - 4.0 / 5.0)
    assert shifted["calibration error"] == pytest.approx(1.0)
    assert (shifted["slope"], shifted["bias"]) == pytest.approx((1.0, -1.0))
    assert (shifted["bias, lowest"], shifted["bias, highest"]) == pytest.approx((-1.0, -1.0))
    assert agreement(3.0 * came, came, members)["slope"] == pytest.approx(1 / 3)
    constant = agreement(np.full(4, 1.5), came, members)
    assert constant["R2"] == 0.0
    assert np.isnan([constant["slope"], constant["slope, lowest"]]).all()


def test_the_slope_is_that_of_a_regression() -> None:
    """As scipy has it; and where it is one half, R2 of centred predictions is 0."""
    chance = np.random.default_rng(1)
    said = chance.normal(size=60)
    came = 0.7 * said + chance.normal(size=60)
    assert slope(said, came) == pytest.approx(linregress(said, came).slope)
    said = (said - said.mean()) * 2.0 * slope(said, came) + came.mean()
    found = agreement(said, came, np.arange(60))
    assert (found["slope"], found["R2"]) == pytest.approx((0.5, 0.0))


@pytest.mark.parametrize("pages", [1, 4])
def test_intervals_hold_the_truth_about_as_often_as_they_say(
    pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages a member has, all alike: it is members that are drawn."""
    monkeypatch.setattr("training.agreement._DRAWS", 200)
    chance = np.random.default_rng(4)
    rank = 6 / np.pi * np.arcsin(0.4 / 2)  # Spearman's of a normal pair
    members = np.repeat(np.arange(60), pages)
    below, held = 0, 0
    for drawn in chance.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], (100, 60)):
        said, came = drawn[members].T
        found = agreement(said, came, members)
        below += found["rank correlation, lowest"] > rank
        held += found["slope, lowest"] < 0.4 < found["slope, highest"]
    assert below <= 8
    assert 84 <= held <= 99


def test_a_draw_counts_all_of_a_members_values() -> None:
    """As often as the member was drawn; in all as many members as there are."""
    units = np.array([7, 7, 3, 7])
    spread = spread_of(lambda weights: weights.copy(), units, draws=50)
    for weights in spread:
        assert weights[0] == weights[1] == weights[3]
        assert weights[0] + weights[2] == 2
    assert len({weights[0] for weights in spread}) == 3
