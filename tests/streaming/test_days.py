"""Pages and events by day, until a day is due."""

from dataclasses import replace

from genpage.event import Event
from genpage.served_page import ServedPage, ServedRow
from streaming.days import LATE_S, Days

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
