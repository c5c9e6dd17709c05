"""Intervals: bootstrap over members, paired comparisons."""

import numpy as np
import pytest

from evaluation.intervals import difference_of, mean_of, ratio_of, statistic_of, uplift_of
from genpage.errors import DatasetError


def test_the_interval_is_as_wide_as_theory_says() -> None:
    """For independent values it is about the mean plus and minus 1.96 standard errors."""
    values = np.random.default_rng(1).normal(2.0, 3.0, 900)
    found = mean_of(values, np.arange(900))
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 30
    assert found.high - found.low == pytest.approx(2 * half, rel=0.08)


def test_members_are_drawn_not_values() -> None:
    """Repeating each member's value says nothing new: the interval stays."""
    values = np.random.default_rng(2).normal(size=300)
    once = mean_of(values, np.arange(300))
    often = mean_of(np.repeat(values, 20), np.repeat(np.arange(300), 20))
    assert often.ci95 == pytest.approx(once.ci95)


def test_what_both_share_cancels() -> None:
    """A small steady gain under large shared noise is seen by the paired comparison alone."""
    chance = np.random.default_rng(3)
    shared = chance.normal(0.0, 50.0, 400)
    one, other = shared + 10.0 + chance.normal(0, 0.1, 400), shared + 9.0
    paired = difference_of(one, other, np.arange(400))
    assert paired.low > 0.9
    assert mean_of(one, np.arange(400)).low < mean_of(other, np.arange(400)).high
    assert uplift_of(one, other, np.arange(400)).value == pytest.approx(
        (one - other).mean() / abs(other.mean())
    )


def test_a_ratio_is_of_sums() -> None:
    """Not the mean of ratios."""
    found = ratio_of(np.array([1.0, 9.0]), np.array([1.0, 3.0]), np.array([0, 1]))
    assert found.value == pytest.approx(10 / 4)


def test_any_statistic_gets_weights() -> None:
    """A weighted mean as a statistic is `mean_of`, up to fewer draws."""
    values = np.random.default_rng(4).normal(size=500)
    found = statistic_of(lambda w: float((w * values).sum() / w.sum()), np.arange(500), draws=2000)
    assert found.value == pytest.approx(values.mean())
    assert found.ci95 == pytest.approx(mean_of(values, np.arange(500)).ci95, abs=0.01)


def test_nothing_to_average_is_an_error() -> None:
    """No page, no figure."""
    with pytest.raises(DatasetError, match="nothing to average"):
        mean_of(np.zeros(0), np.zeros(0, np.int64))
