"""The prompt cache is a fast path: with it and without it the prompt is the same."""

from dataclasses import replace

import numpy as np
import pytest

from api.fake import FakeServed, fake_catalog
from api.prompting import Prompting
from genpage.catalog import Catalog
from genpage.context import Context, apply_event
from genpage.entity import Entity
from genpage.errors import UnavailableError
from genpage.event import Event
from genpage.injection import inject
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.trends import Trends
from streaming.memory import MemoryPromptCache
from streaming.ports import CachedHistory
from tokenizer.prompt import Prompt

DAY = 86_400.0
SERVED = FakeServed.of(fake_catalog(60, 6))
TRENDS = Trends.none(SERVED.catalog)


def context(events: int, profile: Profile | None = None) -> Context:
    """A member with an event every hour."""
    known = Context("ada", profile)
    for n in range(events):
        known = apply_event(known, Event(f"{n}", "ada", f"e{n % 60}", "play", 3_600.0 * n))
    return known


def plain(known: Context, request: PageRequest) -> Prompt:
    """The slow way: encoded from nothing."""
    injection = inject(SERVED.catalog, TRENDS, request.at)
    return SERVED.encoder.encode(known, request, injection)


@pytest.mark.parametrize("events", [0, 1, 40, 300])
async def test_the_cached_prompt_is_the_encoded_one(events: int) -> None:
    """Warm or cold, on the same day, the next day, and after another event."""
    cache = MemoryPromptCache()
    prompting = Prompting(cache)
    known = context(events, Profile("ada", "en", country="NZ"))
    noon = 3_600.0 * 300 + 12 * 3_600.0
    later = apply_event(known, Event("new", "ada", "e5", "thumbs_up", noon))
    for member, at in [(known, noon), (known, noon + 60), (known, noon + DAY), (later, noon + 60)]:
        request = PageRequest("ada", at, device="tv")
        for _ in range(2):
            held = await cache.get("ada", SERVED.encoder.digest)
            made = await prompting.prompt(SERVED, member, request, TRENDS, held)
            assert np.array_equal(made.tokens, plain(member, request).tokens)
            assert made.segments == plain(member, request).segments
            assert made.anchor == plain(member, request).anchor


async def test_a_kept_history_of_tokens_that_the_bundle_lacks_is_encoded_anew() -> None:
    """Newer titles have tokens above the bundle's, which no kept history has."""
    later = Catalog.build([*SERVED.catalog.entities, Entity("n", "film", "N")], ())
    model = SERVED.with_catalog(later, Trends.none(later))
    known, request = context(40), PageRequest("ada", 3_600.0 * 50)
    cache = MemoryPromptCache()
    wanted = await Prompting(cache).prompt(model, known, request, Trends.none(later))
    held = await cache.get("ada", model.encoder.digest)
    assert held is not None
    history = held.history.copy()
    history[0] = model.encoder.vocabulary.entity("n")
    damaged = replace(held, history=history)
    made = await Prompting(cache).prompt(model, known, request, Trends.none(later), damaged)
    assert np.array_equal(made.tokens, wanted.tokens)


async def test_what_only_this_request_sees_is_not_cached() -> None:
    """Hidden events and engagements sent along must not reach another request's prompt."""
    cache = MemoryPromptCache()
    prompting = Prompting(cache)
    known = context(40)
    early = PageRequest("ada", 3_600.0 * 20)
    acted = PageRequest(
        "ada", 3_600.0 * 50, engagements=(Event("x", "ada", "e9", "play", 3_600.0 * 45),)
    )
    for request in (early, acted):
        made = await prompting.prompt(SERVED, known, request, TRENDS)
        assert np.array_equal(made.tokens, plain(known, request).tokens)
    assert len(cache) == 0


async def test_a_cache_that_is_away_costs_time_only() -> None:
    """Writing may fail; the prompt comes."""

    class Away:
        async def get(self, _: str, __: str) -> CachedHistory | None:
            raise UnavailableError("away")

        async def put(self, _: str, __: str, ___: CachedHistory) -> None:
            raise UnavailableError("away")

        async def erase(self, _: str) -> None:
            raise UnavailableError("away")

    known, request = context(40), PageRequest("ada", 3_600.0 * 50)
    made = await Prompting(Away()).prompt(SERVED, known, request, TRENDS)
    assert np.array_equal(made.tokens, plain(known, request).tokens)
