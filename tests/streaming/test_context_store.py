"""What every context store must do; the plain fold is the reference."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genpage.context import Context, apply_event
from genpage.event import Event
from genpage.profile import Profile
from streaming.memory import MemoryContextStore
from streaming.ports import ContextStore


def event(number: int, ts: float, user_id: str = "ada") -> Event:
    """An event whose id is its number."""
    return Event(f"e{number}", user_id, f"film-{number}", "play", ts)


async def test_nobody_is_unknown_until_an_event_arrives(store: ContextStore) -> None:
    """A member exists from the first event on."""
    assert await store.get("ada") is None
    await store.apply([event(1, 10.0)])
    context = await store.get("ada")
    assert context is not None
    assert context.known


async def test_apply_returns_what_changed_something(store: ContextStore) -> None:
    """A repeated id changes nothing, within a list and across lists."""
    first, second = event(1, 10.0), event(2, 20.0)
    assert list(await store.apply([first, first, second])) == [first, second]
    assert list(await store.apply([second])) == []


async def test_the_version_changes_exactly_with_a_change(store: ContextStore) -> None:
    """A duplicate leaves the version alone; a new event or profile changes it."""
    versions = []
    for change in ([event(1, 10.0)], [event(1, 10.0)], [event(2, 5.0)]):
        await store.apply(change)
        context = await store.get("ada")
        assert context is not None
        versions.append(context.version)
    await store.put_profile(Profile("ada", country="NZ", ts=30.0))
    context = await store.get("ada")
    assert context is not None
    versions.append(context.version)
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3


async def test_an_older_profile_does_not_overwrite_a_newer(store: ContextStore) -> None:
    """Profiles are ordered by their own time, not by arrival."""
    await store.put_profile(Profile("ada", country="NZ", ts=30.0))
    await store.put_profile(Profile("ada", country="FR", ts=20.0))
    context = await store.get("ada")
    assert context is not None
    assert context.profile == Profile("ada", country="NZ", ts=30.0)


async def test_erasing_leaves_nothing(store: ContextStore) -> None:
    """An erased member is nobody; erasing nobody says so."""
    await store.apply([event(1, 10.0), event(2, 10.0, "bob")])
    assert await store.erase("ada")
    assert await store.get("ada") is None
    assert not await store.erase("ada")
    assert await store.get("bob") is not None


@given(
    order=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=40),
    cut=st.integers(0, 40),
)
@settings(max_examples=50, deadline=None)
async def test_any_arrival_gives_the_reference_fold(
    order: Sequence[tuple[int, int]], cut: int
) -> None:
    """Late, repeated and reordered events, in one list or two, fold as `apply_event` does."""
    store: ContextStore = MemoryContextStore(history=8)
    events = [event(number, float(ts)) for number, ts in order]
    expected = Context("ada")
    for one in events:
        expected = apply_event(expected, one, limit=8)
    await store.apply(events[:cut])
    await store.apply(events[cut:])
    assert (await store.get("ada") or Context("ada")) == expected


async def test_the_least_recently_used_member_goes_first() -> None:
    """The memory store is bounded in members, and reading counts as use."""
    store = MemoryContextStore(members=2)
    await store.apply([event(1, 1.0, "ada"), event(2, 1.0, "bob")])
    await store.get("ada")
    await store.apply([event(3, 1.0, "cyd")])
    assert len(store) == 2
    assert await store.get("bob") is None
    assert await store.get("ada") is not None


@pytest.mark.parametrize(("limit", "expected"), [(1, ["bob"]), (5, ["bob", "ada", "cyd"])])
async def test_the_busiest_members_come_first(limit: int, expected: list[str]) -> None:
    """The console lists members by how much is known of them, then by id."""
    store = MemoryContextStore()
    await store.apply(
        [
            event(1, 1.0, "cyd"),
            event(2, 1.0, "ada"),
            event(3, 1.0, "bob"),
            event(4, 2.0, "bob"),
        ]
    )
    assert [context.user_id for context in await store.busiest(limit)] == expected


async def test_a_profile_outlives_the_history() -> None:
    """A kid's limits hold after the events went, and events of strangers drive no profile out."""
    store = MemoryContextStore(members=2, profiles=3)
    kid = Profile("kid", profile_type="kid", maturity=7, ts=1.0)
    await store.put_profile(kid)
    await store.apply([event(1, 1.0, "kid"), event(2, 2.0, "kid")])
    await store.apply([event(n, 3.0, f"stranger-{n}") for n in range(10)])
    context = await store.get("kid")
    assert context is not None
    assert (context.profile, context.events, context.dropped) == (kid, (), 2)
    assert await store.get("stranger-0") is None
    assert len(store) == 3
    await store.apply([event(3, 4.0, "kid")])
    context = await store.get("kid")
    assert context is not None
    assert context.profile == kid
    assert len(context.events) == 1


async def test_profiles_are_bounded_too() -> None:
    """Those without a history go by their own bound, the least recently used first."""
    store = MemoryContextStore(members=1, profiles=2)
    for name in ("ada", "bob", "cyd"):
        await store.put_profile(Profile(name, ts=1.0))
    assert await store.get("ada") is None
    assert len(store) == 2


async def test_no_version_stands_for_two_histories() -> None:
    """A member who was let go or erased and comes back has a version that was never used."""
    store = MemoryContextStore(members=1)
    await store.apply([event(1, 1.0, "ada"), event(2, 2.0, "ada")])
    await store.apply([event(3, 1.0, "bob")])
    await store.apply([event(4, 3.0, "ada")])
    context = await store.get("ada")
    assert context is not None
    assert context.version == "3"
    await store.erase("ada")
    await store.apply([event(5, 4.0, "ada")])
    context = await store.get("ada")
    assert context is not None
    assert context.version == "4"
