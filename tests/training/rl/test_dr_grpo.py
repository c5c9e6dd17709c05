"""Dr. GRPO by hand: advantages, the loss, its gradient, the KL and its leash."""

import math

import pytest
import torch

from training.rl.dr_grpo import Leash, dr_grpo, onward_advantages, page_advantages

# Two groups of two pages; pages of 2, 1, 1 and 2 picks.
PAGE = torch.tensor([0, 0, 1, 2, 3, 3])
ORDER = torch.tensor([0, 1, 0, 0, 0, 1])


def test_an_advantage_is_the_reward_less_the_groups_mean() -> None:
    """Nothing is divided: a group that agrees weighs less than one that does not."""
    rewards = torch.tensor([3.0, 1.0, 0.1, 0.3])
    assert page_advantages(rewards, 2).tolist() == pytest.approx([1.0, -1.0, -0.1, 0.1])


def test_onward_credit_is_what_comes_from_there_on() -> None:
    """Against a plain loop over picks, groups of two, whole-page rewards added."""
    values = torch.tensor([1.0, 2.0, 0.5, -1.0, 0.25, 0.25])
    whole = torch.tensor([0.0, 0.0, -0.5, 0.0])
    # Page 0: 3 then 2. Page 1: 0.5. Page 2: -1.5. Page 3: 0.5 then 0.25. Where a page has ended
    # it takes no part in the mean.
    expected = [3 - 1.75, 2 - 2.0, 0.5 - 1.75, -1.5 + 0.5, 0.5 + 0.5, 0.25 - 0.25]
    found = onward_advantages(values, PAGE, ORDER, whole, 2)
    assert found.tolist() == pytest.approx(expected)


def test_a_discount_fades_what_is_far_below() -> None:
    """Against a plain loop; a discount of 1 is the sum that the other test has by hand."""
    values = [1.0, 2.0, 0.5, -1.0, 0.25, 0.25]
    own = [1.0 + 0.5 * 2.0, 2.0, 0.5, -1.0, 0.25 + 0.5 * 0.25, 0.25]
    # The first picks of the groups' pages, then the second of the two pages that have one.
    means = [(own[0] + own[2]) / 2, own[1], (own[3] + own[4]) / 2, own[5]]
    expected = [
        own[0] - means[0],
        own[1] - means[1],
        own[2] - means[0],
        own[3] - means[2],
        own[4] - means[2],
        own[5] - means[3],
    ]
    found = onward_advantages(torch.tensor(values), PAGE, ORDER, torch.zeros(4), 2, discount=0.5)
    assert found.tolist() == pytest.approx(expected)


def test_a_step_by_hand() -> None:
    """Two pages, three picks, worked out with pencil and paper from the paper's formula.

    Chances at sampling 0.5, 0.4, 0.2; now 0.6, 0.2, 0.2; under the reference 0.5, 0.4, 0.25.
    Rewards 2 and 1: advantages +0.5 (two picks) and -0.5 (one). Clip 0.2, beta 0.1, and a divisor
    of 2 pages x 5 picks whatever the pages' lengths are.
    """
    now = torch.tensor([0.6, 0.2, 0.2], dtype=torch.float64).log().requires_grad_()
    then = torch.tensor([0.5, 0.4, 0.2], dtype=torch.float64).log()
    reference = torch.tensor([0.5, 0.4, 0.25], dtype=torch.float64).log()
    advantages = page_advantages(torch.tensor([2.0, 1.0], dtype=torch.float64), 2)
    step = dr_grpo(
        now, then, reference, advantages[torch.tensor([0, 0, 1])], divisor=10.0, clip=0.2, beta=0.1
    )
    # Ratios 1.2, 0.5, 1.0: the first is at the clip's edge, the second below it, where a pick with
    # a positive advantage is not held back.
    gain = 1.2 * 0.5 + 0.5 * 0.5 - 1.0 * 0.5
    kl = [
        0.5 / 0.6 - math.log(0.5 / 0.6) - 1,
        0.4 / 0.2 - math.log(0.4 / 0.2) - 1,
        0.25 / 0.2 - math.log(0.25 / 0.2) - 1,
    ]
    assert float(step.loss.detach()) == pytest.approx(-(gain - 0.1 * sum(kl)) / 10.0)
    assert float(step.kl) == pytest.approx(sum(kl) / 3)
    (slope,) = torch.autograd.grad(step.loss, now)
    # d ratio / d log = ratio; d kl / d log = 1 - reference / now.
    by_hand = [
        -(1.2 * 0.5 - 0.1 * (1 - 0.5 / 0.6)) / 10,
        -(0.5 * 0.5 - 0.1 * (1 - 0.4 / 0.2)) / 10,
        -(-1.0 * 0.5 - 0.1 * (1 - 0.25 / 0.2)) / 10,
    ]
    assert slope[1:].tolist() == pytest.approx(by_hand[1:])


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.5, 1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (0.5, -1.0, False), (1.1, 1.0, True)],
)
def test_the_clip_holds_back_what_has_gone_far_enough(
    ratio: float, advantage: float, moves: bool
) -> None:
    """Past the clip there is no more slope in the direction that was taken."""
    then = torch.zeros(1)
    now = torch.tensor([math.log(ratio)], requires_grad=True)
    step = dr_grpo(
        now, then, now.detach(), torch.tensor([advantage]), divisor=1.0, clip=0.2, beta=0.0
    )
    (slope,) = torch.autograd.grad(step.loss, now)
    assert bool(slope.abs() > 0) is moves


def test_a_longer_page_is_not_scaled_down() -> None:
    """The same slope a pick, whether its page has one or five: no length normalisation."""

    def slope(picks: int) -> float:
        now = torch.zeros(picks, requires_grad=True)
        advantages = torch.ones(picks)
        step = dr_grpo(now, now.detach(), now.detach(), advantages, divisor=5.0, clip=0.2, beta=0.0)
        return float(torch.autograd.grad(step.loss, now)[0][0])

    assert slope(1) == pytest.approx(slope(5)) == pytest.approx(-0.2)


def test_the_leash_follows_the_divergence() -> None:
    """Too far: tightened, at most by its step; too near: loosened; on target: as it is."""
    leash = Leash(0.1, target=0.05)
    assert leash.after(0.05).beta == pytest.approx(0.1)
    assert leash.after(0.06).beta == pytest.approx(0.1 * (1 + 0.2 * 0.2))
    assert leash.after(9.0).beta == pytest.approx(0.12)
    assert leash.after(0.0).beta == pytest.approx(0.08)
