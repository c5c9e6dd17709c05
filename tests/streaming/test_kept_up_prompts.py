"""An event is appended to the encoded prompt; encoding anew, the slow way, gives the same."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import Kept, MakeKept, redis_store

from api.fake import FakeServed, fake_catalog
from api.prompting import Prompting
from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.injection import inject
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.trends import Trends
from streaming import redis_keys
from streaming.ports import CachedHistory
from streaming.redis_client import RedisClient
from streaming.redis_prompts import RedisPromptCache
from tokenizer.buckets import DAY, HOUR
from tokenizer.prompt import PromptEncoder

CATALOG = fake_catalog(60, 6)
SERVED = FakeServed.of(CATALOG)
TRENDS = Trends.none(CATALOG)
NOON = 20_000 * DAY + 12 * HOUR


def served(history_tokens: int = 512, block: int = 32) -> FakeServed:
    """A model whose prompts hold so much history."""
    encoder = PromptEncoder(
        SERVED.encoder.vocabulary, history_tokens=history_tokens, history_block=block
    )
    return replace(SERVED, encoder=encoder)


def event(number: int, ts: float, user: str = "ada", **more: object) -> Event:
    """An event whose id is its number."""
    made = Event(f"e{number}", user, f"e{number % 70}", ACTIONS[number % len(ACTIONS)], ts)
    return replace(made, **more)  # type: ignore[arg-type]  # the fields of an event


async def held(kept: Kept, model: FakeServed, user: str) -> CachedHistory | None:
    """What the cache has."""
    return await kept.prompts.get(user, model.encoder.digest)


async def page(kept: Kept, model: FakeServed, user: str, at: float) -> bool:
    """Ask for the prompt and hold it to a fresh encoding; whether the cache had it."""
    context = await kept.contexts.get(user) or Context(user)
    before = await held(kept, model, user)
    request = PageRequest(user, at)
    made = await Prompting(kept.prompts).prompt(model, context, request, TRENDS, before)
    plain = model.encoder.encode(context, request, inject(CATALOG, TRENDS, at))
    assert np.array_equal(made.tokens, plain.tokens)
    assert made.segments == plain.segments
    after = await held(kept, model, user)
    wanted = context.version, plain.anchor
    return (
        before is not None
        and after is not None
        and ((before.context_version, before.anchor) == wanted)
    )


def kept_of(make_kept: MakeKept, *models: FakeServed, history: int = 512) -> Kept:
    """Stores that keep up prompts of those models."""
    known = {model.encoder.digest: model.encoder.kept_tokens for model in models}
    return make_kept(lambda: known, history)


async def test_a_warm_member_is_never_encoded_again(make_kept: MakeKept) -> None:
    """After each event of the day, alone or several at once, and after a profile."""
    model = served()
    kept = kept_of(make_kept, model)
    await kept.contexts.apply([event(0, NOON)])
    assert not await page(kept, model, "ada", NOON + 1)
    for n in range(1, 20):
        two = [event(2 * n, NOON + 600 * n), event(2 * n + 1, NOON + 600 * n, duration_s=3_000.0)]
        await kept.contexts.apply(two)
        assert await page(kept, model, "ada", NOON + 600 * n + 1)
    await kept.contexts.put_profile(Profile("ada", country="NZ", ts=NOON + 20_000))
    assert await page(kept, model, "ada", NOON + 20_000)
    await kept.contexts.apply([event(90, NOON + 20_001), event(0, NOON)])
    assert await page(kept, model, "ada", NOON + 20_002)


async def test_it_is_encoded_anew_where_appending_would_not_do(make_kept: MakeKept) -> None:
    """A late event, another day, a block that is dropped: never stale, at most encoded again."""
    model = served(history_tokens=32, block=2)
    kept = kept_of(make_kept, model)
    await kept.contexts.apply([event(n, NOON + 60 * n) for n in range(7)])
    assert not await page(kept, model, "ada", NOON + HOUR)
    await kept.contexts.apply([event(10, NOON + 30)])
    assert not await page(kept, model, "ada", NOON + HOUR)
    assert not await page(kept, model, "ada", NOON + DAY)
    await kept.contexts.apply([event(11, NOON + DAY)])
    assert not await page(kept, model, "ada", NOON + DAY)  # a block goes
    await kept.contexts.apply([event(12, NOON + DAY + 1)])
    assert await page(kept, model, "ada", NOON + DAY + 1)
    await kept.contexts.apply([event(13, NOON + DAY + 2)])
    assert not await page(kept, model, "ada", NOON + DAY + 2)
    await kept.contexts.apply([event(14, NOON + 2 * DAY)])
    assert not await page(kept, model, "ada", NOON + 2 * DAY)


async def test_every_loaded_vocabulary_is_kept_up(make_kept: MakeKept) -> None:
    """A bundle and the one that may follow it or be rolled back to."""
    first, second = (
        served(),
        replace(
            SERVED, encoder=PromptEncoder(FakeServed.of(fake_catalog(50, 6)).encoder.vocabulary)
        ),
    )
    kept = kept_of(make_kept, first, second)
    await kept.contexts.apply([event(0, NOON)])
    for model in (first, second):
        assert not await page(kept, model, "ada", NOON + 1)
    await kept.contexts.apply([event(55, NOON + 1)])
    for model in (first, second):
        assert await page(kept, model, "ada", NOON + 1)


async def test_what_erasing_leaves_is_encoded_anew(make_kept: MakeKept) -> None:
    """And what is erased whole leaves no prompt."""
    model = served()
    kept = kept_of(make_kept, model)
    await kept.contexts.apply([event(0, NOON), event(1, NOON + 1)])
    await page(kept, model, "ada", NOON + 1)
    assert await kept.contexts.erase("ada", at=NOON)
    assert await held(kept, model, "ada") is None
    assert not await page(kept, model, "ada", NOON + 1)
    assert await kept.contexts.erase("ada", at=NOON + 1)
    assert await held(kept, model, "ada") is None


@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from([0.0, 1.0, HOUR - 1, HOUR, 5 * HOUR, 13 * HOUR, -HOUR, -DAY]),
            st.sampled_from([None, 30.0, 4_000.0]),
            st.integers(0, 3),
        ),
        max_size=30,
    ),
    history=st.sampled_from([5, 9, 512]),
)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_appended_is_encoded(
    make_kept: MakeKept,
    steps: Sequence[tuple[int, float, float | None, int]],
    history: int,
) -> None:
    """Any events in any order, batches, repetitions, days and pages in between: the same tokens."""
    model = served(history_tokens=24, block=2)
    kept, user, now = kept_of(make_kept, model, history=history), uuid.uuid4().hex, NOON
    batch: list[Event] = []
    for number, ahead, duration_s, then in steps:
        now += ahead
        batch.append(event(number, now, user, duration_s=duration_s))
        if then:
            await kept.contexts.apply(batch)
            batch = []
        if then > 1:
            context = await kept.contexts.get(user)
            assert context is not None
            await page(kept, model, user, context.events[-1].ts + (DAY if then > 2 else 1.0))


@pytest.mark.parametrize("damage", [b"", b"GPP2", b"GPP2" + bytes(60)])
async def test_a_damaged_prompt_is_encoded_anew(client: RedisClient, damage: bytes) -> None:
    """Whatever stands in its place, no event is appended to it, and no page made of it."""
    model = served()
    known = {model.encoder.digest: model.encoder.kept_tokens}
    kept = Kept(redis_store(client, 512, lambda: known), RedisPromptCache(client))
    await kept.contexts.apply([event(0, NOON)])
    await page(kept, model, "ada", NOON)
    key = redis_keys.prompt("ada", model.encoder.digest)
    await client.call(lambda redis: redis.set(key, damage))
    await kept.contexts.apply([event(1, NOON + 1)])
    assert (await client.values(key))[0] == damage
    assert not await page(kept, model, "ada", NOON + 1)
    assert await page(kept, model, "ada", NOON + 1)
