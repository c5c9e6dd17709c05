"""A prompt is a pure, append-only function of context, request and injection."""

import time
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genpage.context import Context, apply_event
from genpage.errors import UsageError
from genpage.event import ACTIONS, Event
from genpage.injection import Injection
from genpage.page import PageRow
from genpage.profile import Profile
from genpage.request import PageRequest
from tokenizer.buckets import anchor_of
from tokenizer.prompt import Prompt, PromptEncoder
from tokenizer.vocabulary import Item, Vocabulary

from .conftest import NOON, MemberOf

MIDNIGHT = anchor_of(NOON)
VOCABULARY = Vocabulary(tuple(Item("entity", f"e{n}", "film") for n in range(12)))
INJECTION = Injection(new=("e1", "e2"), trending=("e3",))


def event(n: int, ts: float, entity: str = "e0", action: str = "play") -> Event:
    """An event of the member u."""
    assert action in ACTIONS
    return Event(f"v{n}", "u", entity, action, ts)


def context_of(*events: Event, limit: int = 512) -> Context:
    """The fold of the events."""
    context = Context("u")
    for one in events:
        context = apply_event(context, one, limit=limit)
    return context


def words(prompt: Prompt, vocabulary: Vocabulary = VOCABULARY) -> list[str]:
    """The prompt's tokens by name."""
    return [vocabulary.word(int(token)) for token in prompt.tokens]


def test_layout_by_hand() -> None:
    """A small prompt is what the module's docstring says, token for token."""
    context = replace(
        context_of(
            event(0, MIDNIGHT - 90_000.0),
            replace(event(1, MIDNIGHT - 86_500.0, "e5", "thumbs_up"), duration_s=600.0),
            event(2, NOON - 60.0, "nobody", "details"),
        ),
        profile=Profile("u", "pt-BR", "teen", "BR", 13),
    )
    prompt = PromptEncoder(VOCABULARY).encode(
        context, PageRequest("u", NOON, device="tv"), INJECTION
    )
    assert words(prompt) == [
        *("<profile>", "language:pt", "profile:teen", "country:BR", "maturity:under-16"),
        "<summary>",
        *("<history>", "entity:e0", "action:play", "time:2d", "duration:none"),
        *("entity:e5", "action:thumbs_up", "time:2d,1h", "duration:20m"),
        *("unseen:entity", "action:details", "time:today-09", "duration:none"),
        *("<new>", "entity:e1", "entity:e2"),
        "<live>",
        *("<trending>", "entity:e3"),
        *("<request>", "device:tv", "hour:12", "weekday:Thursday", "since:5m"),
        "<next>",
        "<page>",
    ]
    assert words(prompt)[prompt.next_position] == "<next>"
    assert [prompt.tokens[s.start] for s in prompt.segments] == [
        VOCABULARY.symbol(f"<{s.name}>") for s in prompt.segments
    ]
    assert [s.end for s in prompt.segments[:-1]] == [s.start for s in prompt.segments[1:]]
    assert prompt.segments[-1].end == len(prompt.tokens)
    assert prompt.tokens.dtype == np.int32


def test_an_unknown_member_has_a_prompt() -> None:
    """With no context the segments are empty and the profile says unknown."""
    prompt = PromptEncoder(VOCABULARY).encode(Context("?"), PageRequest("?", NOON), Injection())
    assert words(prompt)[:7] == [
        *("<profile>", "language:unknown", "profile:unknown", "country:unknown"),
        *("maturity:unknown", "<summary>", "<history>"),
    ]
    assert "since:never" in words(prompt)


def test_later_events_are_hidden(member_of: MemberOf, vocabulary: Vocabulary) -> None:
    """A request in the past sees what was there then, and nothing else."""
    encoder = PromptEncoder(vocabulary, history_tokens=128)
    full = member_of(300)
    at = full.events[200].ts
    then = replace(full, events=full.events[:201])
    request = PageRequest("u", at)
    hidden = encoder.encode(full, request, INJECTION)
    assert np.array_equal(hidden.tokens, encoder.encode(then, request, INJECTION).tokens)


times = st.floats(0, 40 * 86_400.0, allow_nan=False)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(times, st.integers(0, 13), st.sampled_from(ACTIONS)), max_size=40),
    st.floats(0, 86_399),
    st.floats(0, 86_399),
    st.sampled_from((20, 512)),
)
def test_append_only_within_an_anchor(
    past: list[tuple[float, int, str]], first: float, second: float, limit: int
) -> None:
    """A newer event extends the prompt's head by four tokens, unless a block is dropped.

    Whatever a store keeps of a member, as long as the summary counts on no more.
    """
    encoder = PromptEncoder(VOCABULARY, history_tokens=32, history_block=4)
    first, second = sorted((first, second))
    rows = sorted(past, key=lambda row: row[0])
    before = context_of(
        *(event(n, MIDNIGHT - 40 * 86_400.0 + t, f"e{e}", a) for n, (t, e, a) in enumerate(rows)),
        limit=limit,
    )
    after = apply_event(before, event(99, MIDNIGHT + second, "e2"), limit=limit)
    with patch("tokenizer.window.HISTORY_LIMIT", limit):
        old = encoder.encode(before, PageRequest("u", MIDNIGHT + first), INJECTION)
        new = encoder.encode(after, PageRequest("u", MIDNIGHT + second, device="tv"), Injection())
    head = old.segment("history").end
    total = len(before.events) + before.dropped
    if encoder.window.start(total) == encoder.window.start(total + 1):
        assert np.array_equal(new.tokens[:head], old.tokens[:head])
        assert new.segment("history").end == head + 4
    else:
        assert total % 4 == 0
        assert total >= 8


def test_history_drops_by_blocks(member_of: MemberOf, vocabulary: Vocabulary) -> None:
    """The raw window starts at a whole block and holds between 97 and 128 events."""
    encoder = PromptEncoder(vocabulary)
    for count in (0, 1, 127, 128, 129, 160, 161, 511):
        context = member_of(count)
        history = encoder.encode(context, PageRequest("u", NOON), Injection()).segment("history")
        kept = (history.end - history.start - 1) // 4
        assert kept == count if count <= 128 else 97 <= kept <= 128
        assert (count - kept) % 32 == 0


def test_a_shortened_store_gives_the_same_prompt(
    member_of: MemberOf, vocabulary: Vocabulary
) -> None:
    """What a full store has let go of was not in the prompt anyway."""
    encoder = PromptEncoder(vocabulary)
    request = PageRequest("u", NOON)
    bounded, whole = member_of(700), member_of(700, limit=1_000)
    assert bounded.dropped == 188
    assert np.array_equal(
        encoder.encode(bounded, request, INJECTION).tokens,
        encoder.encode(whole, request, INJECTION).tokens,
    )


def test_summary_ranks_by_engagement() -> None:
    """Of what is older than the window, the best liked come first; the disliked are left out."""
    old = [
        event(0, 0.0, "e1", "thumbs_up"),
        event(1, 1.0, "e2"),
        event(2, 2.0, "e3", "thumbs_down"),
        event(3, 3.0, "e4"),
        event(4, 4.0, "e2"),
        event(5, 5.0, "unknown", "thumbs_up"),
        event(6, 6.0, "e5", "details"),
        event(7, 7.0, "e6", "details"),
    ]
    recent = [event(n, float(n), "e7") for n in range(8, 16)]
    encoder = PromptEncoder(VOCABULARY, history_tokens=32, history_block=8, summary_entities=4)
    prompt = encoder.encode(context_of(*old, *recent), PageRequest("u", NOON), Injection())
    summary = prompt.segment("summary")
    assert words(prompt)[summary.start : summary.end] == [
        *("<summary>", "entity:e2", "entity:e1", "entity:e4", "entity:e6"),
    ]


def test_continuation_by_hand() -> None:
    """Pagination appends the rows shown, what was done on them, and asks for the next row."""
    vocabulary = Vocabulary((*VOCABULARY.items, Item("row", "r0", "genre")))
    encoder = PromptEncoder(vocabulary)
    rows = [PageRow("r0", ("e1", "e2")), PageRow("elsewhere", ("nobody",))]
    engagements = [event(1, NOON + 50.0, "e2"), event(0, NOON, "e1", "details")]
    tokens = encoder.continuation(rows, engagements, at=NOON + 100.0)
    expected = [
        *("row:r0", "entity:e1", "entity:e2", "unseen:row", "unseen:entity", "<acted>"),
        *("entity:e1", "action:details", "time:today-12", "duration:none"),
        *("entity:e2", "action:play", "time:today-12,1h", "duration:none"),
        "<page>",
    ]
    assert [vocabulary.word(int(token)) for token in tokens] == expected
    assert len(encoder.continuation(rows, engagements, at=NOON + 10.0)) == len(tokens) - 4
    assert len(encoder.continuation((), ())) == 2


def test_a_prompt_is_no_longer_than_its_parts_at_most(
    member_of: MemberOf, vocabulary: Vocabulary
) -> None:
    """However long the history: whoever sizes a KV slot counts on it."""
    encoder = PromptEncoder(vocabulary)
    titles = tuple(f"e{n}" for n in range(8))
    injection = Injection(titles, titles, titles)
    lengths = [
        len(encoder.encode(member_of(count), PageRequest("u", NOON), injection).tokens)
        for count in (160, 512, 600)
    ]
    titles_at_most = encoder.summary_entities + 3 * 8
    profile_and_request, openers = 5 + 5, 7
    longest = profile_and_request + openers + titles_at_most + encoder.history_tokens
    assert max(lengths) == longest == 569


@pytest.mark.parametrize("tokens", [0, 30, 100])
def test_impossible_windows_are_refused(tokens: int) -> None:
    """A window must hold whole events and at least one block."""
    with pytest.raises(UsageError, match="history_tokens"):
        PromptEncoder(VOCABULARY, history_tokens=tokens)


def test_encoding_500_events_is_fast(member_of: MemberOf, vocabulary: Vocabulary) -> None:
    """500 events encode in about a quarter of a millisecond; the bound is loose for a busy host."""
    encoder, context, request = PromptEncoder(vocabulary), member_of(500), PageRequest("u", NOON)
    best = float("inf")
    for _ in range(50):
        start = time.perf_counter()
        encoder.encode(context, request, INJECTION)
        best = min(best, time.perf_counter() - start)
    assert best < 1e-3
