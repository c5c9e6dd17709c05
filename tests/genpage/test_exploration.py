"""Exploration: exact chances, seeded draws, nothing outside what is allowed."""

import numpy as np
import pytest

from genpage.errors import InputError
from genpage.exploration import Exploration

SCORES = np.array([0.2, 1.7, -0.4, 1.1], np.float32)


def test_choices_come_as_often_as_their_chances_say() -> None:
    """Over many positions, frequencies are the chances."""
    policy = Exploration(0.3, 0.8)
    drawn = [policy.choose(SCORES, seed=5, position=p) for p in range(20_000)]
    frequency = np.bincount([one.place for one in drawn], minlength=4) / len(drawn)
    chances = policy.chances(SCORES)
    assert chances.sum() == pytest.approx(1.0)
    assert np.abs(frequency - chances).max() < 0.012
    assert np.mean([one.explored for one in drawn]) == pytest.approx(0.3, abs=0.012)
    for one in drawn[:50]:
        assert one.propensity == pytest.approx(chances[one.place])


def test_no_share_is_greedy_with_certainty() -> None:
    """The best, the first of equals, with propensity 1."""
    policy = Exploration(0.0)
    for position in range(20):
        one = policy.choose(np.array([1.0, 2.0, 2.0]), seed=1, position=position)
        assert (one.place, one.propensity, one.explored) == (1, 1.0, False)


def test_a_choice_is_a_function_of_seed_and_position() -> None:
    """Taken up again, a page explores the same; another page does not."""
    policy = Exploration(0.5)

    def page(seed: int) -> list[int]:
        return [policy.choose(SCORES, seed=seed, position=p).place for p in range(200)]

    assert page(3) == page(3)
    assert page(3) != page(4)


@pytest.mark.parametrize(("share", "temperature"), [(-0.1, 1.0), (1.1, 1.0), (0.1, 0.0)])
def test_what_is_no_policy_is_refused(share: float, temperature: float) -> None:
    """The field is named."""
    with pytest.raises(InputError, match=r"share|temperature"):
        Exploration(share, temperature)
