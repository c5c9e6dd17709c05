"""A member's context as Redis holds it: text lines that the scripts in ``lua/`` edit unread.

JSON by orjson: one pass in C reads all lines of a history, where a packed format of our own would
be unpacked event by event in Python; and a line that was read before need not be read again. The
layout stands in ``lua/context.lua``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import orjson

from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.profile import PROFILE_TYPES, Profile

_SCHEMA = b"1"
_HEADER_FIELDS = 7
# Lines before the events.
_PREAMBLE = 3
# What may stand in each field of an event's line.
_Types = frozenset[type]
_TEXT: _Types = frozenset({str})
_WHOLE: _Types = frozenset({int})
_REAL: _Types = frozenset({float})
_NONE: _Types = frozenset({type(None)})
_TYPES = (
    _TEXT, _TEXT, _TEXT, _REAL | _NONE, _TEXT | _NONE, _TEXT | _NONE, _WHOLE | _NONE,
    _WHOLE | _NONE, _REAL,
)  # fmt: skip
_PROFILE_TYPES = (_TEXT | _NONE, _TEXT, _TEXT | _NONE, _WHOLE, _REAL)


def time_text(ts: float) -> bytes:
    """A time as every line has it: the shortest text that reads back as the same number."""
    return orjson.dumps(float(ts) + 0.0)  # -0.0 becomes 0.0: equal times are equal texts


def user_text(user_id: str) -> bytes:
    """The user id as a value's second line has it."""
    return orjson.dumps(user_id)


def event_texts(event: Event) -> tuple[bytes, bytes, bytes]:
    """An event's id, its time, and what stands between them in its line."""
    duration = None if event.duration_s is None else float(event.duration_s)
    between = (
        event.entity_id,
        event.action,
        duration,
        event.page_id,
        event.row_id,
        event.row_pos,
        event.col_pos,
    )
    return orjson.dumps(event.event_id), time_text(event.ts), orjson.dumps(between)[1:-1]


def profile_text(profile: Profile) -> bytes:
    """A profile as a value's third line has it; equal profiles are equal texts."""
    fields = (profile.language, profile.profile_type, profile.country, profile.maturity)
    return orjson.dumps(fields)[:-1] + b"," + time_text(profile.ts) + b"]"


def encode(context: Context) -> bytes:
    """A whole value, as the scripts would have left it."""
    profile = b"null" if context.profile is None else profile_text(context.profile)
    lines = [user_text(context.user_id), profile]
    for event in context.events:
        event_id, ts, between = event_texts(event)
        lines.append(b"[%b,%b,%b]" % (event_id, between, ts))
    rest = b"\n".join(lines)
    newest = time_text(context.events[-1].ts) if context.events else b"-"
    updated = b"-" if context.updated_at is None else time_text(context.updated_at)
    counts = (context.revision, context.dropped, len(context.events))
    return b"%b %d %d %d %b %b %d\n%b" % (_SCHEMA, *counts, updated, newest, len(rest), rest)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A value and what it says."""

    value: bytes
    context: Context


def decode(value: bytes, user_id: str, before: Decoded | None = None) -> Context | None:
    """The context; None for a value that is not this member's, of another schema or damaged.

    Lines that stood in the member's value ``before`` are not read again: their events are the same.
    """
    header, _, rest = value.partition(b"\n")
    fields = header.split(b" ")
    if len(fields) != _HEADER_FIELDS or fields[0] != _SCHEMA:
        return None
    try:
        revision, dropped, count, size = (int(fields[n]) for n in (1, 2, 3, 6))
        updated = None if fields[4] == b"-" else float(fields[4])
        user, profile, *lines = rest.split(b"\n")
        if orjson.loads(user) != user_id or size != len(rest) or count != len(lines):
            return None
        who = _profile(user_id, orjson.loads(profile))
        events = _events(user_id, lines, before)
    except ValueError:
        return None
    return Context(user_id, who, events, dropped, revision, updated)


def schema_of(value: bytes) -> bytes:
    """Which schema a value says it has."""
    return value[: value.find(b" ")]


def damaged(value: bytes) -> bool:
    """Whether a value that cannot be read is of our own schema, and so nobody else's either."""
    return schema_of(value) == _SCHEMA


def _profile(user_id: str, fields: Any) -> Profile | None:  # noqa: ANN401 - JSON; looked at here
    if fields is None:
        return None
    if not _typed([fields], _PROFILE_TYPES) or fields[1] not in PROFILE_TYPES:
        raise ValueError("no profile")
    return Profile(user_id, *fields)


def _events(user_id: str, lines: Sequence[bytes], before: Decoded | None) -> tuple[Event, ...]:
    known: dict[bytes, Event] = {}
    if before is not None:
        known = dict(zip(before.value.split(b"\n")[_PREAMBLE:], before.context.events, strict=True))
    new = [line for line in lines if line not in known]
    rows = orjson.loads(b"[" + b",".join(new) + b"]")
    if len(rows) != len(new) or not _typed(rows, _TYPES):
        raise ValueError("no events")
    if rows:
        ids, entities, actions, durations, *page, times = zip(*rows, strict=True)
        if not set(actions) <= set(ACTIONS):
            raise ValueError("no such action")
        made = map(Event, ids, repeat(user_id), entities, actions, times, durations, *page)
        known.update(zip(new, made, strict=True))
    events = tuple(known[line] for line in lines)
    order = [event.ts for event in events]
    if order != sorted(order):
        raise ValueError("out of order")
    return events


def _typed(rows: Sequence[Any], types: Sequence[_Types]) -> bool:
    """Whether each row is a list with one value of the allowed types a field."""
    if not all(isinstance(row, list) and len(row) == len(types) for row in rows):
        return False
    return all(
        set(map(type, column)) <= allowed
        for column, allowed in zip(zip(*rows, strict=True), types, strict=False)
    )
