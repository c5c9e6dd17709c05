"""A member's context as Redis holds it: text lines that the scripts in ``lua/`` edit unread.

JSON by orjson: one pass in C reads all lines of a history, where a packed format of our own would
be unpacked event by event in Python. The layout stands in ``lua/context.lua``.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import orjson

from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.profile import PROFILE_TYPES, Profile

_SCHEMA = b"1"
_HEADER_FIELDS = 7
_FIELDS = 9
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


def header_of(value: bytes) -> bytes:
    """The first line. Two values of one member with equal first lines are equal."""
    return value[: value.find(b"\n")]


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


def decode(value: bytes, user_id: str) -> Context | None:
    """The context; None for a value that is not this member's, of another schema or damaged."""
    header, _, rest = value.partition(b"\n")
    fields = header.split(b" ")
    if len(fields) != _HEADER_FIELDS or fields[0] != _SCHEMA:
        return None
    try:
        revision, dropped, count, size = (int(fields[n]) for n in (1, 2, 3, 6))
        updated = None if fields[4] == b"-" else float(fields[4])
        user, profile, *events = orjson.loads(b"[" + rest.replace(b"\n", b",") + b"]")
    except ValueError:
        return None
    if user != user_id or size != len(rest) or count != len(events):
        return None
    if not _typed(events, _TYPES):
        return None
    return _context(user_id, profile, events, revision, dropped, updated)


def schema_of(value: bytes) -> bytes:
    """Which schema a value says it has."""
    return value[: value.find(b" ")]


def damaged(value: bytes) -> bool:
    """Whether a value that cannot be read is of our own schema, and so nobody else's either."""
    return schema_of(value) == _SCHEMA


def _context(
    user_id: str,
    profile: Any,  # noqa: ANN401 - JSON; looked at here
    events: Sequence[Sequence[Any]],
    revision: int,
    dropped: int,
    updated: float | None,
) -> Context | None:
    columns = list(zip(*events, strict=True)) or [()] * _FIELDS
    ids, entities, actions, durations, pages, rows, row_places, places, times = columns
    if not set(actions) <= set(ACTIONS) or list(times) != sorted(times):
        return None
    who = None
    if profile is not None:
        if not _typed([profile], _PROFILE_TYPES) or profile[1] not in PROFILE_TYPES:
            return None
        who = Profile(user_id, *profile)
    whose = repeat(user_id)
    on_page = (pages, rows, row_places, places)
    made = map(Event, ids, whose, entities, actions, times, durations, *on_page)
    return Context(user_id, who, tuple(made), dropped, revision, updated)


def _typed(rows: Sequence[Any], types: Sequence[_Types]) -> bool:
    """Whether each row is a list with one value of the allowed types a field."""
    if not all(isinstance(row, list) and len(row) == len(types) for row in rows):
        return False
    return all(
        set(map(type, column)) <= allowed
        for column, allowed in zip(zip(*rows, strict=True), types, strict=False)
    )
