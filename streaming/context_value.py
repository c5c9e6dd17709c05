r"""A member's context as Redis holds it: a head of numbers, then text that scripts edit unread.

::

    head                        the fields of `_HEAD`, in the order of `_Head`
    user id                     JSON
    marks                       4 bytes an event, made of its id: `room` of them
    profile                     JSON, or null
    \n["<event id>",...,<ts>]   an event, oldest first; the kept ones from byte `start` to `stop`
    slack                       up to `size`, for the events to come

JSON by orjson: one pass in C reads all lines of a history, where a packed format of our own would
be unpacked event by event in Python; and a line that was read before need not be read again. The
scripts' side of it is ``lua/context.lua``.
"""

import math
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import repeat
from typing import Any, NamedTuple

import orjson

from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.profile import PROFILE_TYPES, Profile

_SCHEMA = b"GPC2"
_HEAD = struct.Struct("<4sddd9I")
HEAD_BYTES = _HEAD.size
_MARK = 4
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

_SLOTS = tuple(Event.__dict__[field.name].__set__ for field in fields(Event))


class _Head(NamedTuple):
    """``updated`` and ``newest`` are NaN for none; lengths and places in bytes, marks counted."""

    schema: bytes
    revision: float
    updated: float
    newest: float
    dropped: int
    kept: int
    user: int
    room: int
    first: int
    profile: int
    start: int
    stop: int
    size: int


def time_text(ts: float) -> bytes:
    """A time as every line has it: the shortest text that reads back as the same number."""
    return orjson.dumps(float(ts) + 0.0)  # -0.0 becomes 0.0: equal times are equal texts


def user_text(user_id: str) -> bytes:
    """The user id as a value has it."""
    return orjson.dumps(user_id)


def event_line(event: Event) -> tuple[bytes, int, int]:
    """An event's line, how much of it tells the event from others, and its mark."""
    duration = event.duration_s
    event_id = orjson.dumps(event.event_id)
    between = orjson.dumps(
        (
            event.entity_id,
            event.action,
            None if duration is None else float(duration),
            event.page_id,
            event.row_id,
            event.row_pos,
            event.col_pos,
        )
    )
    line = b"\n[%b,%b,%b]" % (event_id, between[1:-1], time_text(event.ts))
    return line, len(event_id) + 3, zlib.crc32(event_id)


def profile_text(profile: Profile) -> bytes:
    """A profile as a value has it; equal profiles are equal texts."""
    known = (profile.language, profile.profile_type, profile.country, profile.maturity)
    return orjson.dumps(known)[:-1] + b"," + time_text(profile.ts) + b"]"


def encode(context: Context) -> bytes:
    """A whole value, as the scripts write one anew."""
    profile = b"null" if context.profile is None else profile_text(context.profile)
    user, count = user_text(context.user_id), len(context.events)
    written = [event_line(event) for event in context.events]
    lines = b"".join(line for line, _, _ in written)
    room, spare = count + max(4, count // 8), max(256, len(lines) // 8)
    marks = struct.pack(f"<{count}I", *(mark for _, _, mark in written))
    start = _HEAD.size + len(user) + _MARK * room + len(profile)
    stop = start + len(lines)
    head = _Head(
        _SCHEMA,
        context.revision,
        math.nan if context.updated_at is None else context.updated_at,
        context.events[-1].ts if count else math.nan,
        context.dropped,
        count,
        len(user),
        room,
        0,
        len(profile),
        start,
        stop,
        stop + spare,
    )
    marks += bytes(_MARK * (room - count))
    return b"".join([_HEAD.pack(*head), user, marks, profile, lines, bytes(spare)])


@dataclass(frozen=True, slots=True)
class Decoded:
    """A value and what it says."""

    value: bytes
    context: Context


def decode(value: bytes, user_id: str, before: Decoded | None = None) -> Context | None:
    """The context; None for a value that is not this member's, of another schema or damaged.

    Lines that stood in the member's value ``before`` are not read again: their events are the same.
    """
    try:
        head = _Head._make(_HEAD.unpack_from(value))
    except struct.error:
        return None
    marks = _HEAD.size + head.user
    profile = marks + _MARK * head.room
    lines = _lines(value, head)
    in_order = profile + head.profile <= head.start <= head.stop <= head.size == len(value)
    if head.schema != _SCHEMA or not in_order or head.kept != len(lines):
        return None
    try:
        if orjson.loads(value[_HEAD.size : marks]) != user_id:
            return None
        revision = int(head.revision)
        who = _profile(user_id, orjson.loads(value[profile : profile + head.profile]))
        events = _events(user_id, lines, before)
    except (ValueError, OverflowError):
        return None
    updated = None if math.isnan(head.updated) else head.updated
    return Context(user_id, who, events, head.dropped, revision, updated)


def events_of(head: bytes) -> int:
    """How many events the member of a value ever had, by its first `HEAD_BYTES`; 0 for no value."""
    try:
        known = _Head._make(_HEAD.unpack_from(head))
    except struct.error:
        return 0
    return known.dropped + known.kept if known.schema == _SCHEMA else 0


def schema_of(value: bytes) -> bytes:
    """Which schema a value says it has."""
    return value[: len(_SCHEMA)]


def damaged(value: bytes) -> bool:
    """Whether a value that cannot be read is of our own schema, and so nobody else's either."""
    return schema_of(value) == _SCHEMA


def _lines(value: bytes, head: _Head) -> list[bytes]:
    """The events' lines, without the line ends before them."""
    return value[head.start : head.stop].split(b"\n")[1:]


def _profile(user_id: str, known: Any) -> Profile | None:  # noqa: ANN401 - JSON; looked at here
    if known is None:
        return None
    if not _typed([known], _PROFILE_TYPES) or known[1] not in PROFILE_TYPES:
        raise ValueError("no profile")
    return Profile(user_id, *known)


def _events(user_id: str, lines: Sequence[bytes], before: Decoded | None) -> tuple[Event, ...]:
    known: dict[bytes, Event] = {}
    if before is not None:
        read = _lines(before.value, _Head._make(_HEAD.unpack_from(before.value)))
        known = dict(zip(read, before.context.events, strict=True))
    new = [line for line in lines if line not in known]
    rows = orjson.loads(b"[" + b",".join(new) + b"]")
    if len(rows) != len(new) or not _typed(rows, _TYPES):
        raise ValueError("no events")
    if rows:
        ids, entities, actions, durations, *page, times = zip(*rows, strict=True)
        if not set(actions) <= set(ACTIONS):
            raise ValueError("no such action")
        columns = (ids, repeat(user_id), entities, actions, times, durations, *page)
        known.update(zip(new, _made(len(new), columns), strict=True))
    events = tuple(known[line] for line in lines)
    order = [event.ts for event in events]
    if order != sorted(order):
        raise ValueError("out of order")
    return events


def _made(count: int, columns: Iterable[Iterable[object]]) -> list[Event]:
    """Events of columns, in the order of their fields.

    Field by field over all of them, past `Event.__init__`, which takes three times as long: the
    fields were looked at, and nobody has seen the events yet.
    """
    made = [object.__new__(Event) for _ in range(count)]
    for put, column in zip(_SLOTS, columns, strict=True):
        deque(map(put, made, column), maxlen=0)
    return made


def _typed(rows: Sequence[Any], types: Sequence[_Types]) -> bool:
    """Whether each row is a list with one value of the allowed types a field."""
    if not {list} >= set(map(type, rows)) or not {len(types)} >= set(map(len, rows)):
        return False
    return all(
        set(map(type, column)) <= allowed
        for column, allowed in zip(zip(*rows, strict=True), types, strict=False)
    )
