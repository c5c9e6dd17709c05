"""Off-policy estimates on bandits whose truth is known."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.off_policy import (
    Logged,
    OffPolicy,
    Weighting,
    doubly_robust,
    effective,
    ips,
    snips,
)
from genpage.errors import DatasetError

Estimator = Callable[[Logged, Weighting], OffPolicy]
WEIGHTINGS: tuple[Weighting, ...] = ("page", "cascade", "place")
ARMS = np.array([0.1, 0.5, 0.9])  # each arm's true mean reward
LOGGING = np.array([0.7, 0.2, 0.1])
TARGET = np.array([0.1, 0.3, 0.6])
TRUTH = float(TARGET @ ARMS)


def bandit(
    pages: int = 4000, places: int = 1, seed: int = 0, target: NDArray[np.float64] = TARGET
) -> tuple[Logged, NDArray[np.int64]]:
    """Pages of independent places, each one pull; and which arm stood where."""
    chance = np.random.default_rng(seed)
    arm = chance.choice(3, size=(pages, places), p=LOGGING)
    reward = (chance.random((pages, places)) < ARMS[arm]).astype(float)
    there = np.ones(arm.shape, np.bool_)
    return Logged(reward, LOGGING[arm], target[arm], there, np.arange(pages)), arm


@pytest.mark.parametrize("estimate", [ips, snips])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_known_bandit(estimate: Estimator, weighting: Weighting) -> None:
    """Every estimate's interval holds the truth, which the logged mean is far from."""
    logged, _ = bandit()
    found = estimate(logged, weighting)
    assert found.estimate.low < TRUTH < found.estimate.high
    assert found.estimate.high - found.estimate.low < 0.2
    assert logged.reward.mean() < TRUTH - 0.3


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of many logs, the 95% interval misses in few."""
    held = 0
    for seed in range(100):
        found = ips(bandit(400, seed=seed)[0]).estimate
        held += found.low < TRUTH < found.high
    assert 87 <= held <= 100


def test_doubly_robust_needs_only_one_to_be_right() -> None:
    """With a right model and wrong chances, or a wrong model and right chances, it is right."""
    logged, arm = bandit()
    right = doubly_robust(logged, ARMS[arm], np.full(arm.shape, TRUTH))
    assert right.estimate.low < TRUTH < right.estimate.high
    wrong = doubly_robust(logged, 0.3 * np.ones(arm.shape), 0.3 * np.ones(arm.shape))
    assert wrong.estimate.low < TRUTH < wrong.estimate.high
    lies = Logged(logged.reward, np.full(arm.shape, 1 / 3), logged.target, logged.there,
                  logged.member)  # fmt: skip
    saved = doubly_robust(lies, ARMS[arm], np.full(arm.shape, TRUTH))
    assert saved.estimate.value == pytest.approx(TRUTH, abs=0.03)
    assert abs(ips(lies).estimate.value - TRUTH) > 0.1


@pytest.mark.parametrize("weighting", ["page", "cascade"])
@pytest.mark.parametrize("said", [0.0, 0.8])
def test_a_wrong_model_of_places_that_depend_on_each_other_costs_nothing(
    weighting: Weighting, said: float
) -> None:
    """Every way through two choices, as often as it is logged: the estimate is the truth itself.

    The second earns only behind the first, to which the target comes far more often; the model is
    wrong about both, and says of the second what the first was.
    """
    first, second = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]).T
    target = np.column_stack([np.where(first, 0.9, 0.1), np.where(second, 0.7, 0.3)])
    reward = np.column_stack([first, first * second]).astype(float)
    there = np.ones((4, 2), np.bool_)
    logged = Logged(reward, np.full((4, 2), 0.5), target, there, np.arange(4))
    of_second = said * first
    predicted = np.column_stack([np.full(4, said), of_second])
    found = doubly_robust(logged, predicted, predicted, weighting)
    assert found.estimate.value == pytest.approx(0.9 + 0.9 * 0.7)


def test_a_right_model_narrows_the_interval() -> None:
    """That is what a reward model is for."""
    logged, arm = bandit()
    plain = ips(logged).estimate
    helped = doubly_robust(logged, ARMS[arm], np.full(arm.shape, TRUTH)).estimate
    assert helped.high - helped.low < 0.8 * (plain.high - plain.low)


def test_places_of_a_page_add_up() -> None:
    """A page of four independent pulls earns four times one; the cascade has less variance."""
    near = 0.7 * LOGGING + 0.3 * TARGET
    truth = 4 * float(near @ ARMS)
    logged, _ = bandit(3000, places=4, target=near)
    cascade, page = ips(logged, "cascade", largest=1e9), ips(logged, "page", largest=1e9)
    for found in (cascade, page, ips(logged, "place"), snips(logged, "place")):
        assert found.estimate.low < truth < found.estimate.high
    assert cascade.effective > page.effective


def test_a_cascade_is_normalised_place_by_place() -> None:
    """Where weights fall from place to place, what happens late still counts for what it is."""
    logged, _ = bandit(3000, places=6, target=0.6 * LOGGING + 0.4 * TARGET)
    truth = 6 * float((0.6 * LOGGING + 0.4 * TARGET) @ ARMS)
    plain, steady = ips(logged, "cascade"), snips(logged, "cascade")
    assert steady.estimate.low < truth < steady.estimate.high
    width = steady.estimate.high - steady.estimate.low
    assert width < plain.estimate.high - plain.estimate.low


def test_the_same_policy_weighs_nothing() -> None:
    """Judging the policy that served gives the logged mean and every page counts fully."""
    logged, arm = bandit(300)
    same = Logged(logged.reward, LOGGING[arm], LOGGING[arm], logged.there, logged.member)
    assert ips(same).estimate.value == pytest.approx(logged.reward.mean())
    assert ips(same).effective == pytest.approx(300)


def test_effective_size_by_hand() -> None:
    """Kish: weights 1, 1, 2 are worth 16 / 6 pages."""
    logged = Logged(
        np.zeros((3, 1)),
        np.array([[0.5], [0.5], [0.25]]),
        np.full((3, 1), 0.5),
        np.ones((3, 1), np.bool_),
        np.arange(3),
    )
    assert effective(logged.weights("page"), logged) == pytest.approx(16 / 6)


def test_padding_counts_nothing() -> None:
    """Places that are not there change no estimate."""
    logged, _ = bandit(200)
    pad = np.ones((200, 3))
    wide = Logged(
        np.hstack([logged.reward, pad]),
        np.hstack([logged.logged, pad]),
        np.hstack([logged.target, pad]),
        np.hstack([logged.there, pad == 0]),
        logged.member,
    )
    for estimate in (ips, snips):
        for weighting in WEIGHTINGS:
            found = estimate(wide, weighting).estimate
            assert found.ci95 == pytest.approx(estimate(logged, weighting).estimate.ci95)


def test_a_propensity_of_zero_is_refused() -> None:
    """What was logged cannot have been impossible."""
    one = np.ones((1, 1))
    with pytest.raises(DatasetError, match="not above 0"):
        Logged(one, 0 * one, one, one > 0, np.zeros(1, np.int64))
