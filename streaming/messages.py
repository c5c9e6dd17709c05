"""Kafka messages as nouns and back: what may come in, what is poison, what goes out.

Pure: no broker is spoken to. Decisions where PROTOCOLS is silent:

1. A message without a key is taken, since a plain client may send none; a key that names another
   member is poison, for it would lie on the wrong partition and escape that member's erasure.
2. What HTTP refuses of an event is poison: ids, places and times beyond its limits, and ``ts`` more
   than five minutes ahead, which would hide all that follows. A member's context is read at every
   page, so nobody may make it large.
3. Erasing a member sends a null to ``genpage.profiles`` as well, marked by its type, because a
   compacted topic never ages out, and all replicas read it there. A null there without the mark is
   poison; for a null that a plain client wrote to ``genpage.events`` whoever reads it writes both.
4. CloudEvents' structured mode is poison; its content type says so.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import orjson

from genpage.documents import Document, dump, parse
from genpage.errors import InputError, PoisonError
from genpage.event import ACTIONS, Event
from genpage.profile import Profile
from streaming.cloud_event import JSON, Headers, attribute, headers
from streaming.topics import EVENTS, PROFILES

Poison = Literal[
    "not-json", "content-type", "invalid", "unknown-action", "null", "too-large", "key", "ahead"
]
# An event takes some 200 bytes; what a producer adds is let through up to here.
VALUE_LIMIT: Final = 256 * 1024
ID_LIMIT: Final = 128
PLACE_LIMIT: Final = 10_000
LONGEST_S: Final = 30 * 86_400.0
MOST_MATURITY: Final = 120
# The year 10000, beyond which there is no date.
_LAST_TS: Final = 253_402_300_800.0
AHEAD_S: Final = 300.0
ENGAGED: Final = "genpage.engagement"
PROFILED: Final = "genpage.profile"
ERASED: Final = "genpage.member.erased"
# A CloudEvents extension: "true" on what nobody did, but a simulation.
SIMULATED: Final = "ce_simulated"

Noun = TypeVar("Noun", Event, Profile)
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Message:
    """One message, on its way in or out. ``value`` None is Kafka's deletion marker.

    ``ts`` is when it was written (Unix seconds), known of those that come in; one that goes out is
    dated so.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    ts: float | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """A member is to be forgotten, as of ``at`` (Unix seconds): what is newer may stay.

    ``told``: all replicas read of it, since it stands on ``genpage.profiles`` as well.
    """

    user_id: str
    at: float | None = None
    told: bool = False


def of_event(event: Event, *, simulated: bool = False) -> Message:
    """An event, keyed by its member."""
    about = headers(ENGAGED, event.event_id, event.ts)
    if simulated:
        about = (*about, (SIMULATED, b"true"))
    return Message(EVENTS.name, event.user_id.encode(), orjson.dumps(dump(event)), about)


def of_profile(profile: Profile) -> Message:
    """A profile, keyed by its member."""
    about = headers(PROFILED, uuid.uuid4().hex, profile.ts)
    return Message(PROFILES.name, profile.user_id.encode(), orjson.dumps(dump(profile)), about)


def of_erasure(user_id: str, now: float) -> tuple[Message, Message]:
    """What tells all readers of the log that a member is to be forgotten."""
    key, about = user_id.encode(), headers(ERASED, uuid.uuid4().hex, now, data=False)
    return Message(EVENTS.name, key, None, about), Message(PROFILES.name, key, None, about)


def of_told(erasure: Erasure) -> Message:
    """What tells all replicas of an erasure that a plain client wrote, as of its time."""
    at = time.time() if erasure.at is None else erasure.at
    about = headers(ERASED, uuid.uuid4().hex, at, data=False)
    return Message(PROFILES.name, erasure.user_id.encode(), None, about, at)


def read_told(message: Message) -> Erasure | None:
    """The erasure that a message on ``genpage.profiles`` tells of; None for any other message."""
    try:
        read = None if message.value is not None else read_profile(message)
    except PoisonError:
        return None  # whoever reads the partition has it buried
    return read if isinstance(read, Erasure) else None


def read_event(message: Message, *, clock: Clock = time.time) -> Event | Erasure:
    """What a message on ``genpage.events`` says; `PoisonError` where it can never be applied."""
    if message.value is None:
        told = attribute(message.headers, "ce_type") == ERASED
        return Erasure(_user_id(_key(message)), message.ts, told)
    document = document_of(message)
    if document.get("action") not in ACTIONS:
        raise _poison("unknown-action", f"event: action: must be one of {', '.join(ACTIONS)}")
    event = _noun(Event, document, message)
    _check(event)
    if event.ts > clock() + AHEAD_S:
        raise _poison("ahead", "event: ts: lies more than 5 minutes ahead; it is Unix seconds")
    return event


def read_profile(message: Message) -> Profile | Erasure:
    """What a message on ``genpage.profiles`` says; `PoisonError` where it cannot be applied."""
    if message.value is None:
        if attribute(message.headers, "ce_type") != ERASED:
            raise _poison("null", f"{message.topic} takes no null; erase on {EVENTS.name}")
        return Erasure(_user_id(_key(message)), message.ts, told=True)
    profile = _noun(Profile, document_of(message), message)
    for name in ("language", "country"):
        _name(name, getattr(profile, name))
    if not 0 <= profile.maturity <= MOST_MATURITY:
        raise _poison("invalid", f"maturity: must be 0 to {MOST_MATURITY} years")
    return profile


def to_dead_letters(
    message: Message, topic: str, partition: int, offset: int, error: PoisonError
) -> Message:
    """The message as it came, for the dead-letter topic; headers say whence and why.

    A message with neither key nor value gets an empty value: the client sends no such thing.
    """
    value = b"" if message.key is None and message.value is None else message.value
    why: Headers = (
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(offset).encode()),
        ("error", f"{error.kind}: {error}".encode(errors="replace")),
    )
    return Message(f"{topic}.dlq", message.key, value, (*message.headers, *why))


def document_of(message: Message) -> Document:
    """The JSON object that a message's value is; `PoisonError` for anything else."""
    value = message.value
    assert value is not None
    if len(value) > VALUE_LIMIT:
        raise _poison("too-large", f"a value of {len(value)} bytes; {VALUE_LIMIT} is the most")
    kind = attribute(message.headers, "content-type")
    if kind is not None and kind.split(";")[0].strip().lower() != JSON:
        raise _poison("content-type", f"content-type {kind[:80]!r}; it must be {JSON}")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _poison("not-json", f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _poison("invalid", "the value must be a JSON object")
    return document


def _noun(noun: type[Noun], document: Document, message: Message) -> Noun:
    try:
        read = parse(noun, document)
    except InputError as error:
        raise _poison("invalid", str(error)) from error
    _user_id(read.user_id)
    if not 0 <= read.ts < _LAST_TS:
        raise _poison("invalid", "ts: must be Unix seconds, from 1970 to the year 9999")
    if message.key is not None and message.key != read.user_id.encode():
        raise _poison("key", f"the key is not the member's, {read.user_id!r}")
    return read


def _key(message: Message) -> str:
    if message.key is None:
        raise _poison("null", "a null erases the member that its key names, and there is no key")
    try:
        return message.key.decode()
    except UnicodeDecodeError as error:
        raise _poison("key", "the key is not UTF-8") from error


def _check(event: Event) -> None:
    for name in ("event_id", "entity_id", "page_id", "row_id"):
        _name(name, getattr(event, name))
    for name in ("row_pos", "col_pos"):
        place = getattr(event, name)
        if place is not None and not 0 <= place <= PLACE_LIMIT:
            raise _poison("invalid", f"{name}: must be 0 to {PLACE_LIMIT}")
    if event.duration_s is not None and not 0 <= event.duration_s <= LONGEST_S:
        raise _poison("invalid", f"duration_s: must be 0 to {LONGEST_S:.0f} seconds")


def _user_id(user_id: str) -> str:
    _name("user_id", user_id)
    return user_id


def _name(field: str, value: str | None) -> None:
    if value is not None and (not 1 <= len(value) <= ID_LIMIT or not value.isprintable()):
        raise _poison("invalid", f"{field}: must be 1-{ID_LIMIT} printable characters")


def _poison(kind: Poison, why: str) -> PoisonError:
    return PoisonError(kind, why)
