"""Drawing lists without replacement."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.plackett_luce import draw, probabilities


def test_draws_follow_the_probabilities() -> None:
    """Each ordered pair of four items is drawn as often as its probability says."""
    weights = np.array([4.0, 2.0, 1.0, 0.5], np.float32)
    count = 60_000
    lists = draw(np.tile(weights, (count, 1)), 2, np.random.default_rng(0))
    for first, second in permutations(range(4), 2):
        expected = weights[first] / 7.5 * weights[second] / (7.5 - weights[first])
        hit = (lists.items == [first, second]).all(axis=1)
        assert hit.mean() == pytest.approx(expected, abs=0.007)
        if hit.any():
            assert lists.probability[hit][0].prod() == pytest.approx(expected, rel=1e-5)


@given(seed=st.integers(0, 2**32 - 1), items=st.integers(2, 40))
def test_lists_hold_no_item_twice_and_none_of_weight_zero(seed: int, items: int) -> None:
    """Whatever the weights, a list is distinct allowed items with probabilities in (0, 1]."""
    random = np.random.default_rng(seed)
    weights = np.exp(random.normal(0, 3, size=(5, items))).astype(np.float32)
    weights[:, random.random(items) < 0.3] = 0.0
    allowed = int((weights[0] > 0).sum())
    if allowed == 0:
        return
    lists = draw(weights, allowed, random)
    for line in lists.items:
        assert sorted(line) == np.flatnonzero(weights[0]).tolist()
    assert ((lists.probability > 0) & (lists.probability <= 1)).all()
    assert lists.probability[:, -1] == pytest.approx(1.0, rel=1e-3)


def test_probabilities_of_all_orders_sum_to_one() -> None:
    """The chain rule over every order of five items is a distribution."""
    weights = np.array([[3.0, 1.0, 0.2, 7.0, 2.0]], np.float32)
    total = sum(
        probabilities(weights, np.array([order])).prod() for order in permutations(range(5))
    )
    assert total == pytest.approx(1.0, abs=1e-6)
