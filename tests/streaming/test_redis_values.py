"""What stands in Redis: read back as it was, and a miss where it cannot be."""

import asyncio
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import redis_store
from strategies import random_catalog, random_context

from genpage.context import Context
from genpage.event import Event
from genpage.profile import Profile
from streaming import context_value, prompt_value, redis_keys
from streaming.ports import CachedHistory
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_directory import RedisDirectory
from streaming.redis_members import RedisMembers
from streaming.redis_prompts import RedisPromptCache


def some_context(seed: int) -> Context:
    """Any member."""
    chance = random.Random(seed)
    return random_context(chance, random_catalog(chance, 5))


@given(st.integers(0, 2**20))
def test_a_context_is_read_back_as_it_was(seed: int) -> None:
    """By its own member, and by nobody else."""
    context = some_context(seed)
    value = context_value.encode(context)
    assert context_value.decode(value, "member") == context
    assert context_value.decode(value, "membe") is None


@given(st.integers(0, 2**20), st.integers(0, 12), st.booleans())
def test_what_was_read_before_is_not_read_again(seed: int, known: int, other: bool) -> None:
    """With whatever value of the member's before: the same context, out of the same events."""
    context = some_context(seed)
    earlier = replace(some_context(seed + 1) if other else context, dropped=0)
    earlier = replace(earlier, events=earlier.events[:known])
    before = context_value.Decoded(context_value.encode(earlier), earlier)
    read = context_value.decode(context_value.encode(context), "member", before)
    assert read == context
    if not other:
        assert all(a is b for a, b in zip(read.events, earlier.events, strict=False))


@given(st.integers(0, 2**20), st.integers(0, 5_000))
def test_a_truncated_context_is_a_miss(seed: int, cut: int) -> None:
    """Wherever it ends."""
    value = context_value.encode(some_context(seed))
    assert context_value.decode(value[: cut % len(value)], "member") is None
    assert context_value.decode(value + b"x", "member") is None


@given(st.integers(0, 2**20), st.integers(0, 5_000), st.integers(0, 7))
def test_a_flipped_bit_is_a_miss_or_a_context(seed: int, place: int, bit: int) -> None:
    """Never an error, and never something that is no context."""
    value = bytearray(context_value.encode(some_context(seed)))
    value[place % len(value)] ^= 1 << bit
    context = context_value.decode(bytes(value), "member")
    assert context is None or context_value.decode(context_value.encode(context), "member")


@given(st.lists(st.integers(0, 2**31 - 1)), st.lists(st.integers(0, 2**31 - 1)), st.text())
def test_a_prompt_is_read_back_as_it_was(
    summary: list[int], history: list[int], user_id: str
) -> None:
    """For its member and vocabulary; cut or changed it is a miss."""
    user_id = user_id.encode("utf-8", "ignore").decode()
    encoded = CachedHistory(
        "17", 86_400.0, np.array(summary, np.int32), np.array(history, np.int32)
    )
    value = prompt_value.encode(user_id, "v" * 64, encoded)
    held = prompt_value.decode(value, user_id, "v" * 64)
    assert held is not None
    assert (held.context_version, held.anchor) == ("17", 86_400.0)
    assert held.summary.tolist() == summary
    assert held.history.tolist() == history
    assert held.history.dtype == np.int32
    assert prompt_value.decode(value, user_id + "x", "v" * 64) is None
    assert prompt_value.decode(value, user_id, "w" * 64) is None
    for broken in (value[:-1], value[:9], b"", value + b"x", b"GPP1" + value[4:]):
        assert prompt_value.decode(broken, user_id, "v" * 64) is None
    changed = bytearray(value)
    changed[len(value) // 2] ^= 1
    assert prompt_value.decode(bytes(changed), user_id, "v" * 64) is None


async def test_what_the_scripts_write_is_what_python_writes(client: RedisClient) -> None:
    """One layout, two writers."""
    store = redis_store(client)
    await store.put_profile(Profile("ada", "en", country="NZ", maturity=16, ts=2.0))
    events = [
        Event("e1", "ada", "film", "play", 5.25, duration_s=60, page_id="p", row_id="r"),
        Event("e2", "ada", "film", "thumbs_up", 1.0, row_pos=1, col_pos=0),
    ]
    await store.apply(events)
    value = (await client.values(redis_keys.context("ada")))[0]
    context = await store.get("ada")
    assert value is not None
    assert context is not None
    rewritten = context_value.encode(context)
    await client.call(lambda redis: redis.set(redis_keys.context("ada"), rewritten))
    assert await redis_store(client).get("ada") == context
    late = Event("e0", "ada", "film", "play", 0.5)
    await store.apply([late])
    context = await store.get("ada")
    value = (await client.values(redis_keys.context("ada")))[0]
    assert context is not None
    assert context_value.encode(context) == value


@pytest.mark.parametrize(
    "damage",
    [b"", b"garbage", b"1 5 0 1 - - 3\nabc", b"GPC2", b"GPC2" + bytes(60), b"GPC3" + bytes(99)],
)
async def test_an_unreadable_context_is_a_miss_and_the_next_event_begins_anew(
    client: RedisClient, damage: bytes
) -> None:
    """Whatever somebody put there."""
    store, key = redis_store(client), redis_keys.context("ada")
    event = Event("e1", "ada", "film", "play", 5.0)
    await client.call(lambda redis: redis.set(key, damage))
    assert await store.get("ada") is None
    assert list(await store.apply([event])) == [event]
    context = await store.get("ada")
    assert context is not None
    assert context.events == (event,)


async def test_another_type_of_key_is_a_miss_too(client: RedisClient) -> None:
    """And is written over."""
    store, key = redis_store(client), redis_keys.context("ada")
    await client.call(lambda redis: redis.execute_command("LPUSH", key, "x"))
    assert await store.get("ada") is None
    assert await store.apply([Event("e1", "ada", "film", "play", 5.0)])
    assert await store.get("ada") is not None


async def test_damage_that_only_a_reader_sees_is_dropped(client: RedisClient) -> None:
    """Scripts do not decode the history; a reader who cannot takes it away."""
    store, key = redis_store(client), redis_keys.context("ada")
    events = [Event(f"e{n}", "ada", "film", "play", float(n)) for n in range(3)]
    await store.apply(events)
    value = (await client.values(key))[0]
    assert value is not None
    broken = value.replace(b'"film"', b'"film!', 1)
    assert len(broken) == len(value)
    await client.call(lambda redis: redis.set(key, broken))
    assert await redis_store(client).get("ada") is None
    assert await client.values(key) == [None]
    assert list(await store.apply(events)) == events


async def test_a_late_event_into_damage_begins_anew(client: RedisClient) -> None:
    """Where a script cannot find a line's time, nothing of it is kept."""
    store, key = redis_store(client), redis_keys.context("ada")
    await store.apply([Event("e1", "ada", "film", "play", 5.0)])
    value = (await client.values(key))[0]
    assert value is not None
    await client.call(lambda redis: redis.set(key, value.replace(b",5.0]", b",5.x]")))
    late = Event("e0", "ada", "film", "play", 1.0)
    assert list(await store.apply([late])) == [late]
    context = await store.get("ada")
    assert context is not None
    assert context.events == (late,)


async def test_everything_ends_some_day_and_not_on_the_same(client: RedisClient) -> None:
    """Time to live on every key, with jitter."""
    store, cache = redis_store(client), RedisPromptCache(client)
    tokens = np.array([1], np.int32)
    for n in range(8):
        await store.apply([Event("e1", f"u{n}", "film", "play", 1.0)])
        await cache.put(f"u{n}", "v1", CachedHistory("1", 0.0, tokens, tokens))
    await store.erase("u0", at=0.5)
    keys = await client.call(lambda redis: redis.keys("genpage:*"))
    ttls = await client.call(lambda redis: asyncio.gather(*map(redis.ttl, keys)))
    assert len(keys) == 3 * 8 + 1
    assert min(ttls) > 0
    assert len(set(ttls)) > 8


async def test_a_read_is_one_round_trip(client: RedisClient) -> None:
    """Context and prompt together; unchanged ones are not decoded again."""
    recent = Recent()
    store, cache = redis_store(client), RedisPromptCache(client)
    members = RedisMembers(client, store, recent)
    store._recent = recent
    tokens = np.array([1, 2, 3], np.int32)
    await store.apply([Event("e1", "ada", "film", "play", 1.0)])
    await cache.put("ada", "v1", CachedHistory("1", 0.0, tokens, tokens))

    async def commands() -> int:
        stats = await client.call(lambda redis: redis.info("commandstats"))
        ours: dict[str, int] = {name: each["calls"] for name, each in stats.items()}
        return sum(ours.values()) - ours.get("cmdstat_info", 0) - ours.get("cmdstat_ping", 0)

    before = await commands()
    member = await members.read("ada", "v1")
    assert await commands() == before + 1
    assert member.current
    assert member.encoded is not None
    assert member.encoded.history.tolist() == [1, 2, 3]
    assert (await members.read("ada", "v1")).context is member.context
    assert (await members.read("ada", "v2")).encoded is None
    assert (await members.read("bob", "v1")).context is None


async def test_a_prompt_from_before_an_erasure_is_not_kept(client: RedisClient) -> None:
    """A page that was under way writes it; nothing of the member may come back so."""
    store, cache = redis_store(client), RedisPromptCache(client)
    await store.apply([Event("e1", "ada", "film", "play", 1.0)])
    context = await store.get("ada")
    assert context is not None
    tokens = np.array([1], np.int32)
    await store.erase("ada")
    await cache.put("ada", "v1", CachedHistory(context.version, 0.0, tokens, tokens))
    assert await cache.get("ada", "v1") is None
    await store.apply([Event("e2", "ada", "film", "play", 2_000.0)])
    context = await store.get("ada")
    assert context is not None
    await cache.put("ada", "v1", CachedHistory(context.version, 0.0, tokens, tokens))
    assert await cache.get("ada", "v1") is not None


async def test_a_store_is_filled_once(client: RedisClient) -> None:
    """And nobody who is in it is overwritten, nor brought back who was erased."""
    store = redis_store(client)
    mine = Event("mine", "u1", "film", "play", 9.0)
    await store.apply([mine])
    contexts = [
        Context(f"u{n}", events=(Event("e", f"u{n}", "film", "play", 1.0),), revision=1)
        for n in range(40)
    ]
    await store.erase("u2")
    assert await store.fill(contexts)
    assert await store.get("u2") is None
    context, other = await store.get("u1"), await store.get("u39")
    assert context is not None
    assert other is not None
    assert context.events == (mine,)
    assert other.events == contexts[39].events
    await store.erase("u39")
    assert not await store.fill(contexts)
    assert await store.get("u39") is None


async def test_a_key_of_another_type_stops_nothing(client: RedisClient) -> None:
    """Whichever of a member's keys holds something else: what is asked next makes it right."""
    store, cache = redis_store(client), RedisPromptCache(client)
    tokens = np.array([1, 2], np.int32)
    held = CachedHistory(str(10**15), 0.0, tokens, tokens)
    keys = [redis_keys.context("ada"), redis_keys.prompts("ada"), redis_keys.prompt("ada", "v1")]

    async def junk() -> None:
        await client.call(lambda redis: redis.delete(*keys))
        for key in keys:
            kind = "SADD" if key == keys[2] else "SET" if key == keys[1] else "RPUSH"
            word = (kind, key, "junk")
            await client.call(lambda redis, word=word: redis.execute_command(*word))  # type: ignore[misc]

    await junk()
    await store.put_profile(Profile("ada", country="NZ", ts=2_000.0))
    context = await store.get("ada")
    assert context is not None
    assert context.profile is not None
    await junk()
    await cache.put("ada", "v1", held)
    assert await cache.get("ada", "v1") is not None
    await junk()
    await cache.erase("ada")
    await junk()
    await store.apply([Event("e1", "ada", "film", "play", 2_001.0)])
    await store.erase("ada")
    assert await store.get("ada") is None
    assert (await client.call(lambda redis: redis.exists(*keys[:2]))) == 0


async def test_the_console_lists_the_busiest(client: RedisClient) -> None:
    """Of those looked at; keys that are no contexts do no harm."""
    store = redis_store(client)
    names = [f"u{n:03}" for n in range(600)]
    await store.apply([Event("e", name, "film", "play", 1.0) for name in names])
    some = RedisDirectory(client, store)
    assert len(await some.busiest(1_000)) == 500
    await client.call(lambda redis: redis.flushall())
    await store.apply([Event("e", name, "film", "play", 1.0) for name in ("cyd", "a}d", "bob")])
    await store.apply([Event("e2", "bob", "film", "play", 2.0)])
    await client.call(lambda redis: redis.set(redis_keys.context("broken"), b"x"))
    await client.call(lambda redis: redis.execute_command("LPUSH", redis_keys.context("l"), "x"))
    assert [context.user_id for context in await some.busiest(2)] == ["bob", "a}d"]


async def test_a_list_is_one_round_trip(client: RedisClient) -> None:
    """Of events, and of profiles: one script call, however many members and of each how many."""
    store = redis_store(client)
    users = [f"u{n}" for n in range(125)] * 2
    profiles = [Profile(user, country="NZ", ts=float(n)) for n, user in enumerate(users)]
    events = [Event(f"e{n}", user, "film", "play", float(n)) for n, user in enumerate(users)]
    # The scripts are sent with their first call.
    await store.put_profile(profiles[0])
    await store.apply(events[:1])

    async def calls() -> int:
        told = await client.call(lambda redis: redis.info("commandstats"))
        return sum(
            told.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval")
        )

    before = await calls()
    await store.put_profile(*profiles)
    assert await calls() == before + 1
    assert len(await store.apply(events)) == len(events) - 1
    assert await calls() == before + 2
    context = await store.get("u124")
    assert context is not None
    assert context.profile == profiles[-1]
