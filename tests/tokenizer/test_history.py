"""The columnar encoder is the per-request encoder's twin."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genpage.context import Context, apply_event
from genpage.event import ACTIONS, Action, Event
from genpage.injection import Injection
from genpage.profile import Profile
from genpage.request import PageRequest
from tokenizer.history import Histories
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Item, Vocabulary

VOCABULARY = Vocabulary(tuple(Item("entity", f"e{n}", "film") for n in range(12)))
ENCODER = PromptEncoder(VOCABULARY, history_tokens=64, history_block=8, summary_entities=5)
INJECTION = Injection(new=("e1",), live=("e2", "nobody"), trending=("e3",))
START = 1_375_315_200.0

rows = st.tuples(
    st.sampled_from(("ann", "bob", "cyd")),
    st.integers(0, 15).map(lambda n: f"e{n}"),
    st.sampled_from(ACTIONS),
    st.one_of(
        st.floats(0, 30 * 86_400.0, allow_nan=False),
        # Times on the buckets' very edges.
        st.integers(0, 720).map(lambda hours: hours * 3600.0),
    ),
    st.one_of(st.none(), st.floats(-1, 20_000), st.sampled_from((60.0, 300.0))),
)
Row = tuple[str, str, Action, float, float | None]


def histories_of(events: Sequence[Row]) -> Histories:
    """The columns of those rows."""
    columns = list(zip(*events, strict=True)) if events else [()] * 5
    return Histories.of(
        VOCABULARY, columns[0], columns[1], columns[2], [START + t for t in columns[3]], columns[4]
    )


def context_of(user_id: str, events: Sequence[Row], profile: Profile) -> Context:
    """The fold of one member's events, in order of arrival."""
    context = Context(user_id, profile)
    for n, (user, entity, action, ts, duration) in enumerate(events):
        if user == user_id:
            context = apply_event(
                context, Event(f"v{n}", user, entity, action, START + ts, duration)
            )
    return context


@settings(max_examples=150, deadline=None)
@given(st.lists(rows, max_size=120), st.floats(0, 40 * 86_400.0))
def test_twin_of_the_request_encoder(events: list[Row], offset: float) -> None:
    """Columns and contexts give the same prompt, for every member and any clock."""
    histories, at = histories_of(events), START + offset
    for user_id in ("ann", "bob", "cyd", "nobody"):
        profile = Profile(user_id, "en")
        member = histories.member(user_id)
        cut = sum(user == user_id and START + ts <= at for user, _, _, ts, _ in events)
        fast = histories.prompt(
            ENCODER, member, cut, at=at, device="tv", profile=profile, injection=INJECTION
        )
        slow = ENCODER.encode(
            context_of(user_id, events, profile), PageRequest(user_id, at, device="tv"), INJECTION
        )
        assert np.array_equal(fast.tokens, slow.tokens)
        assert (fast.segments, fast.anchor) == (slow.segments, slow.anchor)


@pytest.mark.parametrize("count", [0, 16, 17, 24, 25, 300, 505, 511])
def test_twin_at_every_length(count: int) -> None:
    """The two agree at the block boundaries and far past the summarised stretch."""
    events: list[Row] = [
        ("ann", f"e{n * 7 % 13}", ACTIONS[n * n % len(ACTIONS)], n * 5_000.0, None)
        for n in range(count)
    ]
    profile, at = Profile("ann"), START + 40 * 86_400.0
    histories = histories_of(events)
    member = histories.member("ann")
    fast = histories.prompt(
        ENCODER, member, count, at=at, device="web", profile=profile, injection=INJECTION
    )
    slow = ENCODER.encode(
        context_of("ann", events, profile), PageRequest("ann", at, device="web"), INJECTION
    )
    assert np.array_equal(fast.tokens, slow.tokens)


def test_event_positions_are_as_documented() -> None:
    """Token s + 1 + 4 k is the entity of the window's k-th event."""
    events: list[Row] = [("ann", f"e{n % 12}", "play", n * 100.0, None) for n in range(30)]
    histories = histories_of(events)
    prompt = histories.prompt(
        ENCODER, 0, 30, at=START + 86_400.0, device="tv", profile=None, injection=INJECTION
    )
    history, start = prompt.segment("history"), ENCODER.window.start(30)
    found = prompt.tokens[history.start + 1 : history.end : 4]
    assert list(found) == [VOCABULARY.entity(f"e{n % 12}") for n in range(start, 30)]


def test_a_cut_hides_what_follows() -> None:
    """Evaluation's cut, strictly before an event, shows nothing of it nor of its equals in time."""
    events: list[Row] = [("ann", f"e{n}", "play", ts, None) for n, ts in enumerate((1, 5, 5, 9))]
    histories = histories_of(events)
    prompt = histories.prompt(
        ENCODER, 0, 1, at=START + 5, device="tv", profile=None, injection=Injection()
    )
    words = [VOCABULARY.word(int(token)) for token in prompt.tokens]
    assert [word for word in words if word.startswith("entity:")] == ["entity:e0"]
    assert "since:5m" in words
