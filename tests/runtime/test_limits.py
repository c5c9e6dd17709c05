"""Bounds of the engine are checked by name."""

from collections.abc import Callable

import pytest

from genpage.errors import UsageError
from runtime.limits import Limits


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Limits(batch=0), "batch"),
        (lambda: Limits(prefill_tokens=0), "prefill_tokens"),
        (lambda: Limits(prefill_tokens_alone=-1), "prefill_tokens_alone"),
    ],
)
def test_a_bound_that_lets_nothing_through_is_refused(
    make: Callable[[], Limits], field: str
) -> None:
    """Zero of anything that must move."""
    with pytest.raises(UsageError, match=f"^{field} must"):
        make()


def test_a_queue_may_be_empty_but_not_negative() -> None:
    """Nobody waits, or so many."""
    assert Limits(batch=3, queue=0).pages == 3
    with pytest.raises(UsageError, match="queue"):
        Limits(queue=-1)
