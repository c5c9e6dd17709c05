"""Pages and events by day, until a day is due."""

from dataclasses import replace

from genpage.event import Event
from genpage.served_page import ServedPage, ServedRow
from streaming.days import GRACE_S, LATE_S, Days

D = 86_400.0
WINDOW = 3_600.0


def page(name: str, at: float, sent: int = 1) -> ServedPage:
    """A page of ada's."""
    row = ServedRow("r", ("e",), (1.0,))
    return ServedPage(name, "ada", at, "tv", None, sent, (row, row))


def event(name: str, ts: float) -> Event:
    """What ada did."""
    return Event(name, "ada", "e", "play", ts)


def test_a_day_is_due_once_its_window_is_over() -> None:
    """With the events behind midnight that may answer it; those stay for their own day."""
    days = Days(WINDOW)
    days.page(page("a", 5.0))
    days.page(page("b", D + 5.0))
    for name, ts in (("1", 6.0), ("2", D + 10.0), ("3", D + WINDOW + 1.0), ("2", D + 11.0)):
        days.event(event(name, ts))
    assert list(days.due(D + WINDOW + LATE_S - 1)) == []
    (first,) = days.due(D + WINDOW + LATE_S)
    assert (first.number, [p.page_id for p in first.pages]) == (0, ["a"])
    assert [e.event_id for e in first.events] == ["1", "2"]
    (second,) = days.rest()
    assert [e.event_id for e in second.events] == ["2", "3"]
    assert second.events[0].ts == D + 10.0
    assert list(days.rest()) == []


def test_a_page_told_again_counts_once_with_most_of_its_rows() -> None:
    """Whoever came back to it was sent more."""
    days = Days(WINDOW)
    days.page(page("a", 5.0, sent=1))
    days.page(page("a", 5.0, sent=2))
    days.page(page("a", 5.0, sent=1))
    (day,) = days.rest()
    assert [each.rows_sent for each in day.pages] == [2]


def test_an_erased_member_is_not_given_out() -> None:
    """As of the erasure; what they did after it is."""
    days = Days(WINDOW)
    days.page(page("a", 5.0))
    days.event(event("1", 6.0))
    days.erase("ada", 10.0)
    days.erase("ada", 8.0)
    days.page(page("b", 11.0))
    days.event(event("2", 12.0), simulated=True)
    days.page(replace(page("c", 5.0), user_id="eve"))
    (day,) = days.rest()
    assert [each.page_id for each in day.pages] == ["b", "c"]
    assert [each.event_id for each in day.events] == ["2"]
    assert day.simulated == {"ada"}


def test_what_is_late_is_given_again_with_the_whole_day() -> None:
    """For a while; then the day is let go."""
    days = Days(WINDOW)
    days.page(page("a", 5.0))
    over = D + WINDOW + LATE_S
    assert len(list(days.due(over))) == 1
    assert list(days.due(over)) == []
    days.event(event("1", 6.0), written=over)
    (again,) = days.due(over + 1)
    assert ([p.page_id for p in again.pages], len(again.events)) == (["a"], 1)
    assert list(days.due(over + WINDOW + GRACE_S + 1)) == []
    days.event(event("2", 7.0), written=over + D)
    (late,) = days.due(over + D)
    assert (late.pages, len(late.events)) == ((), 1)


def test_a_day_far_ahead_is_given_at_once_and_holds_nothing_up() -> None:
    """Whoever asked for pages then has another clock."""
    days = Days(WINDOW)
    days.page(page("ahead", 150 * D), written=10.0)
    days.page(page("now", 20.0), written=20.0)
    days.page(page("behind", 5 * D), written=5 * D)
    assert [day.number for day in days.due(30.0)] == [5, 150]
    assert days.since(30.0) == 20.0
    assert [day.number for day in days.due(2 * D)] == [0]
    assert days.since(2 * D) == 2 * D


def test_a_day_that_is_not_over_is_read_again_by_the_next_run() -> None:
    """From its first message on, also when it was given out as it is."""
    days = Days(WINDOW)
    days.page(page("a", 5.0), written=6.0)
    days.event(event("1", D + 5.0), written=D + 6.0)
    assert list(days.due(D + 10.0)) == []
    assert days.since(D + 10.0) == 6.0


def test_the_next_days_pages_come_along_as_far_as_the_window() -> None:
    """An event behind midnight may be the answer to one of them."""
    days = Days(WINDOW)
    for name, at in (("a", 5.0), ("b", D + 5.0), ("c", D + WINDOW + 1.0)):
        days.page(page(name, at))
    first = next(days.rest())
    assert [p.page_id for p in first.pages] == ["a"]
    assert [p.page_id for p in first.following] == ["b"]


def test_what_is_on_no_calendar_day_is_not_taken() -> None:
    """Before 1970 and after 9999; a window of ages costs nothing."""
    days = Days(1e12)
    assert not days.page(page("a", 1e15))
    assert not days.page(page("a", 253_402_300_800.0))
    assert not days.event(event("1", -1e15))
    assert not days.event(event("1", -0.5))
    assert days.page(page("a", 253_402_300_799.0))
    assert [day.number for day in days.rest()] == [2_932_896]
