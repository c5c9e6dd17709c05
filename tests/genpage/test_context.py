"""The fold of events into a member's context."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from genpage.context import Context, apply_event, apply_profile
from genpage.event import Event
from genpage.profile import Profile


def event(number: int, ts: float) -> Event:
    """An event with this id and time."""
    return Event(f"v{number}", "member", "e1", "play", ts)


def fold(events: list[Event], limit: int = 512) -> Context:
    """All events applied to an unknown member."""
    context = Context("member")
    for one in events:
        context = apply_event(context, one, limit=limit)
    return context


@given(st.lists(st.integers(0, 9), max_size=30))
def test_an_event_counts_once(numbers: list[int]) -> None:
    """Applying duplicates changes neither history nor version."""
    once = fold([event(number, float(number)) for number in dict.fromkeys(numbers)])
    again = fold([event(number, float(number)) for number in numbers])
    assert again.events == once.events
    assert again.version == once.version == str(len(set(numbers)))


@given(st.permutations(range(8)))
def test_arrival_order_does_not_matter(order: list[int]) -> None:
    """A late event takes its place by time."""
    context = fold([event(number, float(number)) for number in order])
    assert [e.event_id for e in context.events] == [f"v{number}" for number in range(8)]
    assert context.updated_at == 7.0


def test_a_full_history_drops_its_oldest_and_counts_it() -> None:
    """The bound keeps the newest events; what is dropped keeps its number."""
    context = fold([event(number, float(number)) for number in range(10)], limit=4)
    assert [e.event_id for e in context.events] == ["v6", "v7", "v8", "v9"]
    assert context.dropped == 6


def test_an_event_older_than_a_full_history_changes_nothing() -> None:
    """A straggler from before everything kept is no news."""
    context = fold([event(number, float(number)) for number in range(1, 5)], limit=4)
    assert apply_event(context, event(0, 0.0), limit=4) is context


def test_later_events_are_hidden_from_an_earlier_request() -> None:
    """``before`` shows what was known then, and everything of that very second."""
    context = fold([event(number, float(number)) for number in range(4)])
    assert [e.event_id for e in context.before(1.0).events] == ["v0", "v1"]
    assert context.before(9.0) is context


def test_an_older_profile_never_replaces_a_newer_one() -> None:
    """Profiles are ordered by their time, and an equal one is no change."""
    new = Profile("member", country="KR", ts=2.0)
    context = apply_profile(Context("member"), new)
    assert context.known
    assert apply_profile(context, replace(new, country="US", ts=1.0)) is context
    assert apply_profile(context, new) is context
    assert apply_profile(context, replace(new, country="US", ts=3.0)).version == "2"
