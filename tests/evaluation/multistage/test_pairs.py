"""Pairs as of a time, against counting by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.multistage.columns import Columns
from evaluation.multistage.pairs import EARLIER, NEAR_S, Pairs, near_pairs, next_pairs, shared_pairs

TITLES = 60


def by_hand(columns: Columns, anchor: int, at: float, *, near: bool) -> dict[int, float]:
    """Each other title's pairs with ``anchor`` that were known before ``at``."""
    found: dict[int, float] = {}
    lines = list(zip(columns.user, columns.entity, columns.ts, strict=True))
    for late, (user, entity, ts) in enumerate(lines):
        own = [i for i in range(late) if lines[i][0] == user][-EARLIER:]
        for early in own:
            _, other, before = lines[early]
            gap = ts - before
            if ts >= at or entity == other or (near and gap >= NEAR_S):
                continue
            weight = 1 / (1 + gap / 3600) if near else 1.0
            for one, two in ((entity, other), (other, entity)):
                if one == anchor:
                    found[int(two)] = found.get(int(two), 0.0) + weight
    return found


@pytest.mark.parametrize("near", [True, False])
def test_counts_are_those_known_before_the_moment(columns: Columns, near: bool) -> None:
    """Of some anchors at some times, every pair and no later one."""
    make = near_pairs if near else shared_pairs
    pairs = make(columns.user, columns.entity, columns.ts, TITLES)
    for anchor, at in ((3, 4e5), (17, 2.2e6), (42, 1e9)):
        expected = np.zeros(TITLES)
        for other, weight in by_hand(columns, anchor, at, near=near).items():
            expected[other] = weight
        expected /= expected.sum() + 10.0
        found = pairs.counts(np.array([anchor]), np.ones(1, np.float32), at)
        assert found == pytest.approx(expected, abs=1e-5)


def test_anchors_add_up_by_their_worth(columns: Columns) -> None:
    """Two anchors at once are each alone, weighed."""
    pairs = near_pairs(columns.user, columns.entity, columns.ts, TITLES)

    def counts(anchors: list[int], worth: list[float]) -> NDArray[np.float32]:
        return pairs.counts(np.array(anchors), np.array(worth, np.float32), 3e6)

    assert counts([4, 9], [0.5, 2.0]) == pytest.approx(
        0.5 * counts([4], [1.0]) + 2.0 * counts([9], [1.0]), abs=1e-6
    )


def test_what_came_next_has_a_direction() -> None:
    """After title 0 came title 1, twice; never the other way round, and not after a day."""
    user = np.array([0, 0, 1, 1, 2, 2])
    entity = np.array([0, 1, 0, 1, 0, 2])
    ts = np.array([0.0, 60.0, 100.0, 160.0, 200.0, 200.0 + 2 * NEAR_S])
    pairs: Pairs = next_pairs(user, entity, ts, 3)
    one = np.ones(1, np.float32)
    assert pairs.counts(np.array([0]), one, 1e9, unit=0.0).tolist() == [0, 1, 0]
    assert not pairs.counts(np.array([1]), one, 1e9).any()


def test_an_empty_log_knows_nothing() -> None:
    """No events, no pairs."""
    nothing = np.zeros(0, np.int64)
    pairs = near_pairs(nothing, nothing, np.zeros(0), 5)
    assert not pairs.counts(np.array([1]), np.ones(1, np.float32), 1.0).any()
