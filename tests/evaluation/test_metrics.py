"""Metrics by hand, and their intervals."""

import numpy as np
import pytest

from evaluation.metrics import gains, report, summary

RANKS = np.array([1.0, 3.0, 10.0, 10.5, 400.0, 2.0])
USERS = np.array([7, 7, 7, 7, 3, 3])
RESTED = np.array([True, False, False, True, True, False])


def test_gains_by_hand() -> None:
    """A hit is a rank of ten or better; its gain is discounted by the logarithm."""
    values = gains(RANKS)
    assert values[:, 0].tolist() == [1, 1, 1, 0, 0, 1]
    expected = [1.0, 0.5, 1 / np.log2(11), 0.0, 0.0, 1 / np.log2(3)]
    assert values[:, 1] == pytest.approx(expected)


def test_report_by_hand() -> None:
    """Over events, over rested events, and per user first."""
    found = report(RANKS, USERS, RESTED)
    document = found.document()
    assert document["hr@10"] == pytest.approx(4 / 6)
    assert document["n"] == 6
    assert document["rested"] == found.rested.document()
    assert found.rested.means is not None
    assert found.rested.means == pytest.approx((1 / 3, 1 / 3))
    assert found.rested.n == 3
    assert found.by_user.n == 2
    assert found.by_user.means is not None
    assert found.by_user.means[0] == pytest.approx((3 / 4 + 1 / 2) / 2)
    low, high = document["ci95"]["hr@10"]  # type: ignore[index]
    # With two users every draw is one of three: both, or one of them twice.
    assert {low, high} <= {3 / 4, 4 / 6, 1 / 2}


def test_the_same_seed_gives_the_same_interval() -> None:
    """Intervals are a function of the seed, and another seed gives another."""
    generator = np.random.default_rng(1)
    ranks, users = generator.integers(1, 40, 500).astype(float), generator.integers(0, 60, 500)
    rested = generator.random(500) < 0.5
    first = report(ranks, users, rested, seed=3)
    assert first == report(ranks, users, rested, seed=3)
    assert first != report(ranks, users, rested, seed=4)


def test_bootstrap_draws_users() -> None:
    """Twin: users drawn one by one with replacement spread the mean as the fast draw does."""
    generator = np.random.default_rng(5)
    counts = generator.integers(1, 30, 80).astype(float)
    rate = generator.random(80)
    sums = np.stack([rate * counts, rate * counts / 2], axis=1)
    found = summary(sums, counts, seed=0, samples=4000)
    drawn = generator.integers(0, 80, (4000, 80))
    means = sums[drawn, 0].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.intervals is not None
    assert found.intervals[0] == pytest.approx((low, high), abs=0.1 * (high - low))
    assert found.means is not None
    assert low < found.means[0] < high


def test_nothing_to_average() -> None:
    """An empty slice says so instead of dividing by zero."""
    found = report(RANKS, USERS, np.zeros(6, np.bool_))
    assert found.rested.document() == {
        "hr@10": None,
        "ndcg@10": None,
        "n": 0,
        "ci95": {"hr@10": None, "ndcg@10": None},
    }
