"""The days that a model was trained on, and which days it was not."""

import pytest

from genpage.errors import ArtefactError
from model.trained_on import TrainedOn

JANUARY = TrainedOn("2026-01-01", "2026-01-31")


def test_the_end_is_the_midnight_after_the_last_day() -> None:
    """The interval is half-open, and reads back as the same days."""
    assert JANUARY.until == "2026-02-01"
    assert JANUARY.interval == "2026-01-01/2026-02-01"
    assert TrainedOn.parse(JANUARY.interval) == JANUARY
    assert JANUARY.document() == {
        "first": "2026-01-01",
        "last": "2026-01-31",
        "until": "2026-02-01",
    }


@pytest.mark.parametrize(
    ("first", "until", "meets"),
    [
        ("2026-02-01", "2026-03-01", False),
        ("2026-01-31", "2026-03-01", True),
        ("2025-12-01", "2026-01-01", False),
        ("2025-12-01", "2026-01-02", True),
        ("2026-01-10", "2026-01-11", True),
    ],
)
def test_what_it_meets(first: str, until: str, meets: bool) -> None:
    """The day after the last one was not seen, nor the one before the first."""
    assert JANUARY.meets(first, until) is meets


def test_a_child_has_seen_its_parents_days() -> None:
    """The span of both, and its own alone without a parent."""
    later = TrainedOn("2026-03-01", "2026-03-01")
    assert later.and_also(JANUARY) == TrainedOn("2026-01-01", "2026-03-01")
    assert JANUARY.and_also(later) == TrainedOn("2026-01-01", "2026-03-01")
    assert later.and_also(None) == later


@pytest.mark.parametrize("days", [("x", "2026-01-01"), ("20260101", "20260102"), ("2026-02-30",)])
def test_days_that_are_none_are_refused(days: tuple[str, ...]) -> None:
    """By a typed error."""
    with pytest.raises(ArtefactError, match="trained_on"):
        TrainedOn(days[0], days[-1])
    with pytest.raises(ArtefactError, match="trained_on"):
        TrainedOn.parse("/".join(days))


def test_days_come_in_order() -> None:
    """The last before the first is no span."""
    with pytest.raises(ArtefactError, match="in order"):
        TrainedOn("2026-01-02", "2026-01-01")
