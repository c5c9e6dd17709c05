"""What every context store must do; the plain fold is the reference."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import ERASED_AT, MakeStore

from genpage.context import Context, apply_event, apply_profile
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


async def test_profiles_of_one_list_fold_in_its_order(store: ContextStore) -> None:
    """Many members at once, several of one: as one after the other, erased ones left out."""
    await store.apply([event(1, 10.0, "ada")])
    await store.erase("cyd", at=50.0)
    users = ["ada", "bob", "cyd", *(f"u{n}" for n in range(300))]
    profiles = [
        *(Profile(user, country="NZ", ts=30.0) for user in users),
        *(Profile(user, country="FR", ts=20.0) for user in reversed(users)),
        Profile("bob", "mi", "kid", "AU", 7, ts=30.0),
        Profile("cyd", country="DE", ts=60.0),
    ]
    await store.put_profile(*profiles)
    for user in users:
        expected = Context(user)
        for profile in profiles:
            if profile.user_id == user and (user != "cyd" or profile.ts > 50.0):
                expected = apply_profile(expected, profile)
        context = await store.get(user)
        assert context is not None
        assert context.profile == expected.profile
        assert len(context.events) == (user == "ada")
    await store.put_profile()


async def test_erasing_leaves_nothing(store: ContextStore) -> None:
    """An erased member is nobody; erasing nobody says so."""
    await store.apply([event(1, 10.0), event(2, 10.0, "bob")])
    assert await store.erase("ada")
    assert await store.get("ada") is None
    assert not await store.erase("ada")
    assert await store.get("bob") is not None


async def test_what_was_erased_stays_erased(store: ContextStore) -> None:
    """Replayed events and profiles of before bring nobody back; what comes after begins anew."""
    old = event(1, 10.0)
    await store.apply([old])
    await store.put_profile(Profile("ada", country="NZ", ts=20.0))
    first = await store.get("ada")
    assert await store.erase("ada")
    assert list(await store.apply([old, event(2, ERASED_AT)])) == []
    await store.put_profile(Profile("ada", country="NZ", ts=20.0))
    assert await store.get("ada") is None
    later = event(3, ERASED_AT + 1)
    assert list(await store.apply([old, later])) == [later]
    context = await store.get("ada")
    assert first is not None
    assert context is not None
    assert context.events == (later,)
    assert int(context.version) > int(first.version)


async def test_an_event_ahead_of_the_clock_is_erased_too(store: ContextStore) -> None:
    """All that is held goes, whatever its clients' clocks said, and stays gone."""
    ahead = event(1, ERASED_AT + 200)
    await store.apply([ahead])
    assert await store.erase("ada")
    assert list(await store.apply([ahead])) == []
    assert await store.get("ada") is None


async def test_a_replayed_erasure_leaves_what_is_newer(store: ContextStore) -> None:
    """The log is read again from before it: what came after it is there once, and stays."""
    await store.apply([event(1, 10.0), event(2, 20.0), event(3, 30.0)])
    before = await store.get("ada")
    assert await store.erase("ada", at=20.0)
    context = await store.get("ada")
    assert before is not None
    assert context is not None
    assert context.events == (event(3, 30.0),)
    assert context.version != before.version
    assert not await store.erase("ada", at=20.0)
    assert not await store.erase("ada", at=5.0)
    assert await store.get("ada") == context
    assert list(await store.apply([event(1, 10.0), event(4, 25.0)])) == [event(4, 25.0)]


async def test_odd_ids_are_ids_like_others(store: ContextStore) -> None:
    """Quotes, commas, braces, brackets, line ends: told apart, and handed back as they came."""
    odd = ["", ",", '",', '"', 'a",5,', "[", '["x",', "\\", "\n", "é}", "{u:ada}", "e", "]", ",1]"]
    events = [
        Event(one, user, other, "play", float(n), page_id=other, row_id=one)
        for user in ("}:ctx", 'a"d\na')
        for n, (one, other) in enumerate(zip(odd, reversed(odd), strict=True))
    ]
    assert list(await store.apply(events)) == events
    assert list(await store.apply(list(reversed(events)))) == []
    for user in ("}:ctx", 'a"d\na'):
        context = await store.get(user)
        assert context is not None
        assert list(context.events) == [one for one in events if one.user_id == user]
        late = Event("late", user, "x", "play", 0.5)
        assert list(await store.apply([late])) == [late]
        context = await store.get(user)
        assert context is not None
        assert context.events[1] == late


@pytest.mark.parametrize("ts", [0.0, 1e-7, 1700000000.1234567, 4e9, 1e22, 5e-324, 1.5e300])
async def test_times_are_exact(store: ContextStore, ts: float) -> None:
    """To the last bit, for whatever number a client sends."""
    first = event(1, ts)
    await store.apply([first])
    context = await store.get("ada")
    assert context is not None
    assert context.events == (first,)
    assert context.updated_at == ts


@given(
    order=st.lists(
        st.tuples(
            st.integers(0, 20), st.integers(0, 12), st.sampled_from(["ada", "bob"]), st.booleans()
        ),
        max_size=40,
    ),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_any_arrival_gives_the_reference_fold(
    make_store: MakeStore,
    order: Sequence[tuple[int, int, str, bool]],
    cuts: Sequence[int],
) -> None:
    """Late, repeated, reordered events and profiles, in any lists, fold as the reference does."""
    store, mine = make_store(8), uuid.uuid4().hex
    expected: dict[str, Context] = {}
    version: dict[str, str | None] = {}
    steps = [0, *sorted(cuts), len(order)]
    for first, last in pairwise(steps):
        events, changed, profiles = [], [], list[Profile]()
        for number, ts, name, profiled in order[first:last]:
            user_id = f"{name}-{mine}"
            held = expected.get(user_id, Context(user_id))
            if profiled:
                profile = Profile(user_id, country="FR" if number % 2 else None, ts=float(ts))
                profiles.append(profile)
                expected[user_id] = apply_profile(held, profile)
                continue
            one = event(number, float(ts), user_id)
            events.append(one)
        await store.put_profile(*profiles)
        for one in events:
            held = expected.get(one.user_id, Context(one.user_id))
            after = apply_event(held, one, limit=8)
            if after is not held:
                changed.append(one)
            expected[one.user_id] = after
        assert list(await store.apply(events)) == changed
        for user_id, wanted in expected.items():
            context = await store.get(user_id) or Context(user_id)
            assert replace(context, revision=0) == replace(wanted, revision=0)
            key = f"{user_id} {wanted.revision}"
            assert version.setdefault(key, context.version) == context.version
    versions = list(version.values())
    assert len({(key.split()[0], one) for key, one in version.items()}) == len(versions)


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
    await store.erase("ada", at=3.0)
    await store.apply([event(5, 4.0, "ada")])
    context = await store.get("ada")
    assert context is not None
    assert context.version == "4"
