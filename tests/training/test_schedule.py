"""Budgets and the learning rate."""

import pytest

from genpage.errors import UsageError
from training.schedule import FLOOR, WARM_UP, Budget, learning_rate


def test_a_budget_is_steps_or_examples() -> None:
    """Exactly one of the two; progress goes by it."""
    assert Budget(steps=10).progress(5, 999) == 0.5
    assert Budget(examples=200).progress(1, 50) == 0.25
    assert Budget(examples=200).progress(1, 500) == 1.0


@pytest.mark.parametrize(("steps", "examples"), [(None, None), (1, 1), (0, None), (None, 0)])
def test_a_budget_of_both_or_none_is_refused(steps: int | None, examples: int | None) -> None:
    """Two budgets contradict, none never ends."""
    with pytest.raises(UsageError):
        Budget(steps, examples)


def test_the_rate_rises_then_falls() -> None:
    """Linear to the peak, then down half a cosine to the floor."""
    assert learning_rate(2.0, WARM_UP / 2) == pytest.approx(1.0)
    assert learning_rate(2.0, WARM_UP) == pytest.approx(2.0)
    assert learning_rate(2.0, 1.0) == pytest.approx(2.0 * FLOOR)
    rates = [learning_rate(1.0, WARM_UP + n * (1 - WARM_UP) / 50) for n in range(51)]
    assert rates == sorted(rates, reverse=True)
    middle = learning_rate(1.0, WARM_UP + (1 - WARM_UP) / 2)
    assert middle == pytest.approx((1 + FLOOR) / 2)
