"""Kafka messages as nouns and back, and every kind of poison."""

from contextlib import suppress
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.bodies import EventBody
from genpage.errors import PoisonError
from genpage.event import ACTIONS, Event
from genpage.profile import PROFILE_TYPES, Profile
from streaming import messages
from streaming.messages import (
    LONGEST_S,
    VALUE_LIMIT,
    Erasure,
    Message,
    read_event,
    read_profile,
)

NOW = 1_800_000_000.0
PLAIN = {"event_id": "e1", "user_id": "ada", "entity_id": "film", "action": "play", "ts": 10.0}

names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=128)
times = st.floats(0, NOW)
places = st.none() | st.integers(0, 1000)
events = st.builds(
    Event,
    event_id=names,
    user_id=names,
    entity_id=names,
    action=st.sampled_from(ACTIONS),
    ts=times,
    duration_s=st.none() | st.floats(0, LONGEST_S),
    page_id=st.none() | names,
    row_id=st.none() | names,
    row_pos=places,
    col_pos=places,
)
profiles = st.builds(
    Profile,
    user_id=names,
    language=st.none() | names,
    profile_type=st.sampled_from(PROFILE_TYPES),
    country=st.none() | names,
    maturity=st.integers(0, 21),
    ts=times,
)


def plain(value: object = None, key: bytes | None = b"ada", **fields: object) -> Message:
    """A message as a plain client sends it: JSON, no headers."""
    document = {**PLAIN, **fields} if value is None else value
    raw = document if isinstance(document, bytes) else orjson.dumps(document)
    return Message("genpage.events", key, raw)


@given(events)
def test_an_event_comes_back_as_it_went_out(event: Event) -> None:
    """With its member as the key and CloudEvents' attributes beside it."""
    message = messages.of_event(event)
    attributes = dict(message.headers)
    assert read_event(message, clock=lambda: NOW) == event
    assert message.key == event.user_id.encode()
    assert attributes["ce_specversion"] == b"1.0"
    assert attributes["ce_id"] == event.event_id.encode()
    assert attributes["content-type"] == b"application/json"
    assert {"ce_type", "ce_source", "ce_time"} <= set(attributes)


@given(profiles)
def test_a_profile_comes_back_as_it_went_out(profile: Profile) -> None:
    """On its own topic."""
    message = messages.of_profile(profile)
    assert message.topic == "genpage.profiles"
    assert read_profile(message) == profile


def test_an_erasure_reaches_both_topics() -> None:
    """A null for each, keyed by the member; the compacted topic's is marked as ours."""
    on_events, on_profiles = messages.of_erasure("ada", NOW)
    assert (on_events.value, on_profiles.value) == (None, None)
    assert read_event(on_events) == read_profile(on_profiles) == Erasure("ada", told=True)


def test_a_plain_value_is_enough() -> None:
    """No headers, no key, fields that nobody knows, nulls for what is left out."""
    expected = Event("e1", "ada", "film", "play", 10.0)
    assert read_event(plain(shoe_size=42, page_id=None)) == expected
    assert read_event(plain(key=None)) == expected
    with_charset = (("content-type", b"application/json; charset=utf-8"), ("other", None))
    assert read_event(replace(plain(), headers=with_charset)) == expected


def test_a_null_by_a_plain_client_erases() -> None:
    """On events, by PROTOCOLS."""
    assert read_event(Message("genpage.events", b"ada", None)) == Erasure("ada")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (plain(b"{'no': json"), "not-json"),
        (plain(b""), "not-json"),
        (plain(b"\xff\xfe"), "not-json"),
        (plain(b'{"ts": NaN}'), "not-json"),
        (plain(b"null"), "invalid"),
        (plain([PLAIN]), "invalid"),
        (plain(event_id=None), "invalid"),
        (plain(ts="soon"), "invalid"),
        (plain(user_id="a\nb"), "invalid"),
        (plain(user_id="a" * 129), "invalid"),
        (plain(action="yawn"), "unknown-action"),
        (plain(action=None), "unknown-action"),
        (plain(action=["play"]), "unknown-action"),
        (plain(key=b"bob"), "key"),
        (plain(padding="x" * VALUE_LIMIT), "too-large"),
        (plain(ts=NOW + 301.0), "ahead"),
        (Message("genpage.events", None, None), "null"),
        (Message("genpage.events", b"\xff", None), "key"),
        (Message("genpage.events", b"", None), "invalid"),
        (replace(plain(), headers=(("content-type", b"application/avro"),)), "content-type"),
    ],
)
def test_poison_is_named(message: Message, kind: str) -> None:
    """Each kind by a word of its own, with a sentence for a person."""
    with pytest.raises(PoisonError) as caught:
        read_event(message, clock=lambda: NOW)
    assert caught.value.kind == kind
    assert str(caught.value)


def test_a_profile_takes_no_plain_null() -> None:
    """Only our own mark tells an erasure from a mistake."""
    with pytest.raises(PoisonError) as caught:
        read_profile(Message("genpage.profiles", b"ada", None))
    assert caught.value.kind == "null"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("event_id", ["", "x" * 129, "x" * 70_000, "a\x00b", "a\u202eb"]),
        ("user_id", ["", "x" * 129, "a\nb"]),
        ("entity_id", ["", "x" * 129, "x" * 100_000, "a\tb"]),
        ("page_id", ["", "x" * 129, "a\nb"]),
        ("row_id", ["", "x" * 129, "a\nb"]),
        ("row_pos", [-1, -5, 10_001, 2**63]),
        ("col_pos", [-1, 10_001]),
        ("duration_s", [-9.0, -1e-9, LONGEST_S + 1.0, 1e300]),
        ("ts", [-1.0, -1e300, 1e300]),
    ],
)
def test_what_http_refuses_of_an_event_the_log_refuses(field: str, values: list[object]) -> None:
    """The same bounds at both doors, and what lies on them is let through by both."""
    for value in values:
        with pytest.raises(ValidationError, match=field):
            EventBody.model_validate({**PLAIN, field: value})
        with pytest.raises(PoisonError) as caught:
            read_event(plain(key=None, **{field: value}), clock=lambda: NOW)
        assert caught.value.kind == "invalid"
    largest = {"row_pos": 10_000, "col_pos": 10_000, "duration_s": LONGEST_S, "ts": 0.0}
    at_bound = largest.get(field, "x" * 128)
    EventBody.model_validate({**PLAIN, field: at_bound})
    read_event(plain(key=None, **{field: at_bound}), clock=lambda: NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"ts": -1.0},
        {"ts": 1e12},
        {"language": "x" * 129},
        {"country": "a\nb"},
        {"maturity": -1},
        {"maturity": 121},
        {"maturity": 2**64 - 1},
        {"maturity": 1e30},
    ],
)
def test_a_profile_beyond_the_bounds_is_poison(fields: dict[str, object]) -> None:
    """It is held beside the events, and read as often; a number may be more than a store holds."""
    message = Message("genpage.profiles", b"ada", orjson.dumps({"user_id": "ada", **fields}))
    with pytest.raises(PoisonError) as caught:
        read_profile(message)
    assert caught.value.kind == "invalid"


@pytest.mark.parametrize("maturity", [0, 120])
def test_a_profile_on_the_bounds_is_taken(maturity: int) -> None:
    """All ages that a rule may name."""
    value = orjson.dumps({"user_id": "ada", "maturity": maturity})
    read = read_profile(Message("genpage.profiles", b"ada", value))
    assert read == Profile("ada", maturity=maturity)


@given(st.binary(max_size=200), st.none() | st.binary(max_size=20))
def test_any_bytes_are_an_event_or_poison(value: bytes, key: bytes | None) -> None:
    """Nothing else is ever raised: a partition must move on."""
    message = Message("genpage.events", key, value, (("content-type", value),))
    for read in (read_event, read_profile):
        with suppress(PoisonError):
            read(message)


def test_dead_letters_are_as_they_came() -> None:
    """Key, value and headers, and after those topic, partition, offset and error."""
    message = Message("genpage.events", b"k", b"{", (("ce_id", b"1"), ("odd", None)))
    letter = messages.to_dead_letters(
        message, "genpage.events", 3, 17, PoisonError("not-json", "it is no JSON")
    )
    assert (letter.topic, letter.key, letter.value) == ("genpage.events.dlq", b"k", b"{")
    assert letter.headers == (
        ("ce_id", b"1"),
        ("odd", None),
        ("topic", b"genpage.events"),
        ("partition", b"3"),
        ("offset", b"17"),
        ("error", b"not-json: it is no JSON"),
    )


def test_a_plain_erasure_is_told_to_all_as_of_its_time() -> None:
    """What a client wrote to one partition, as all replicas read it; profiles are passed over."""
    plain = read_event(Message("genpage.events", b"ada", None, ts=5.0))
    assert plain == Erasure("ada", 5.0, told=False)
    told = messages.of_told(plain)
    assert (told.topic, told.ts) == ("genpage.profiles", 5.0)
    assert messages.read_told(told) == Erasure("ada", 5.0, told=True)
    assert messages.read_told(messages.of_profile(Profile("ada"))) is None
    assert messages.read_told(Message("genpage.profiles", b"ada", None)) is None
