"""Ranks and their ties."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.ranking import middle_rank


@pytest.mark.parametrize(
    ("target", "own", "rank"),
    [
        (0, [], 1.0),
        (1, [], 3.0),  # of three on the ranks 2, 3, 4
        (4, [], 5.0),
        (1, [0], 2.0),
        (1, [2], 2.5),
        (1, [0, 2, 3], 1.0),
        (5, [0, 1], 4.0),
    ],
)
def test_by_hand(target: int, own: list[int], rank: float) -> None:
    """Equal scores share their middle rank; what the user had is no candidate."""
    scores = np.array([9.0, 5.0, 5.0, 5.0, 3.0, 1.0])
    assert middle_rank(scores, target, np.array(own, np.int64)) == rank


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_twin_of_sorting(values: list[int], chance: random.Random) -> None:
    """The rank is the mean place of the equal candidates in a sorted list."""
    target = chance.choice(range(len(values)))
    others = [n for n in range(len(values)) if n != target]
    own = [n for n in others if chance.random() < 0.3]
    left = sorted((values[n] for n in range(len(values)) if n not in own), reverse=True)
    places = [place for place, value in enumerate(left, start=1) if value == values[target]]
    scores = np.array(values, np.float32)
    assert middle_rank(scores, target, np.array(own, np.int64)) == np.mean(places)


def test_all_equal_is_the_middle() -> None:
    """A ranker that knows nothing puts everything in the middle."""
    assert middle_rank(np.zeros(101), 7, np.array([], np.int64)) == 51.0
