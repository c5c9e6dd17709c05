"""A source that is switched off stands in no prompt, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from genpage.context import Context, apply_event
from genpage.event import Event
from genpage.injection import Injection
from genpage.page import PageRow
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.sources import SOURCES, Sources
from tokenizer.buckets import anchor_of
from tokenizer.history import Histories
from tokenizer.prompt import Prompt, PromptEncoder
from tokenizer.signals import SIGNALS, heard_of
from tokenizer.vocabulary import Item, Vocabulary

from .conftest import NOON

MIDNIGHT = anchor_of(NOON)
VOCABULARY = Vocabulary(tuple(Item("entity", f"e{n}", "film") for n in range(12)))
INJECTION = Injection(new=("e1", "e2"), live=("e4",), trending=("e3",))
# Old enough to be summarised, of the days before, and of the request's own day.
TIMES = [
    *(MIDNIGHT - 90_000.0 * n for n in range(40, 2, -1)),
    *(MIDNIGHT + 3600.0 * n for n in (0, 5, 9)),
]
EVENTS = [Event(f"v{n}", "u", f"e{n % 12}", "play", ts) for n, ts in enumerate(TIMES)]
REQUEST = PageRequest("u", NOON, device="tv")
SEGMENT_OF = {
    "profile": "profile",
    "request": "request",
    "history": "history",
    "summary": "summary",
    "new": "new",
    "live": "live",
    "trending": "trending",
}


def context() -> Context:
    """A member with all of it."""
    found = Context("u", profile=Profile("u", "pt-BR", "teen", "BR", 13))
    for event in EVENTS:
        found = apply_event(found, event)
    return found


def encoder(*off: str) -> PromptEncoder:
    """Without these sources."""
    return PromptEncoder(
        VOCABULARY, history_tokens=32, history_block=4, sources=Sources.without(off)
    )


def told(prompt: Prompt) -> dict[str, list[int]]:
    """Each segment's tokens."""
    return {each.name: prompt.inside(each.name).tolist() for each in prompt.segments}


@pytest.mark.parametrize("source", sorted(SEGMENT_OF))
def test_its_segment_is_empty(source: str) -> None:
    """And all others are as they were."""
    whole = told(encoder().encode(context(), REQUEST, INJECTION))
    assert all(whole[segment] for segment in SEGMENT_OF.values())
    assert told(encoder(source).encode(context(), REQUEST, INJECTION)) == {
        **whole,
        SEGMENT_OF[source]: [],
    }


def test_without_in_session_the_prompt_is_last_nights() -> None:
    """As of a member who did nothing since midnight, but for how long ago the last event was."""
    before = replace(context(), events=context().events[:-3])
    held = told(encoder("in_session").encode(context(), REQUEST, INJECTION))
    # The window drops whole blocks by the number of all events, those of today included.
    tail = told(encoder().encode(context(), REQUEST, INJECTION))["history"][: -3 * 4]
    assert held["history"] == tail
    assert (
        held["history"][-4:] == told(encoder().encode(before, REQUEST, INJECTION))["history"][-4:]
    )
    unknown = told(encoder().encode(Context("u"), REQUEST, INJECTION))["request"]
    assert held["request"] == unknown
    acted = encoder("in_session").continuation([PageRow("r", ("e1",))], EVENTS[-2:])
    assert acted.tolist() == encoder().continuation([PageRow("r", ("e1",))], []).tolist()


@pytest.mark.parametrize("source", SOURCES)
def test_columns_and_kept_histories_follow(source: str) -> None:
    """Training's columnar way and a prompt put together from the cache give the same tokens."""
    chosen = encoder(source)
    expected = chosen.encode(context(), REQUEST, INJECTION)
    columns = Histories.of(
        VOCABULARY,
        ["u"] * len(EVENTS),
        [event.entity_id for event in EVENTS],
        [event.action for event in EVENTS],
        [event.ts for event in EVENTS],
        [event.duration_s for event in EVENTS],
    )
    trained = columns.prompt(
        chosen,
        0,
        len(EVENTS),
        at=NOON,
        device="tv",
        profile=context().profile,
        injection=INJECTION,
    )
    assert np.array_equal(trained.tokens, expected.tokens)
    kept = chosen.kept(expected, context(), NOON)
    restored = chosen.restored(kept, context(), NOON)
    assembled = chosen.assemble(
        profile=context().profile,
        summary=restored.summary,
        history=restored.history,
        injection=INJECTION,
        at=NOON,
        device="tv",
        last_ts=EVENTS[-1].ts,
    )
    assert np.array_equal(assembled.tokens, expected.tokens)


def test_signals_belong_to_sources() -> None:
    """Each signal is heard by one of two sources."""
    trending, together = (heard_of(Sources.without([name])) for name in ("trending", "together"))
    assert np.array_equal(trending + together, np.ones(SIGNALS))
    assert 0 < trending.sum() < SIGNALS
    assert heard_of(Sources()).all()
