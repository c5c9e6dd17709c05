"""Fills an empty context store from a data folder, so that a demo knows its members at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from dataset.folder import DataFolder, profile_of
from genpage.context import HISTORY_LIMIT, Context
from genpage.errors import DatasetError
from genpage.event import ACTIONS, Event
from genpage.profile import Profile
from genpage.trends import HALF_LIFE_S
from streaming.memory import MemoryContextStore
from streaming.trending import LiveTrends

# Counts that were halved so often move no order.
_HALF_LIVES = 30
_REQUIRED = ("event_id", "user_id", "entity_id", "action", "ts")


@dataclass(frozen=True, slots=True)
class Filled:
    """What was loaded. ``newest`` is the newest event's time, Unix seconds."""

    members: int
    events: int
    newest: float | None


def fill(folder: DataFolder, contexts: MemoryContextStore, trends: LiveTrends) -> Filled:
    """Load every member's profile and newest events, and count the latest for the trends.

    A `DatasetError` says what `genpage validate` would say at length.
    """
    events = _checked(folder)
    profiles = {line["user_id"]: profile_of(line) for line in folder.profiles().to_dicts()}
    loaded = list(_contexts(events, profiles))
    loaded += [_context(profile.user_id, profile, (), 0) for profile in profiles.values()]
    contexts.load(loaded)
    newest: float | None = events["ts"][-1] if len(events) else None
    if newest is not None:
        latest = events.filter(pl.col("ts") > newest - _HALF_LIVES * HALF_LIFE_S)
        trends.count(zip(latest["entity_id"], latest["ts"], strict=True))
    return Filled(len(loaded), len(events), newest)


def _checked(folder: DataFolder) -> pl.DataFrame:
    events = folder.events()
    for name in _REQUIRED:
        if events[name].null_count():
            raise DatasetError(f"{folder.path}: events: {name} is empty; run genpage validate")
    strange = events.filter(~pl.col("action").is_in(list(ACTIONS)))
    if len(strange):
        raise DatasetError(
            f"{folder.path}: events: there is no action {strange['action'][0]!r}; "
            "run genpage validate"
        )
    return events.unique(["user_id", "event_id"], keep="first", maintain_order=True)


def _contexts(events: pl.DataFrame, profiles: dict[str, Profile]) -> Iterator[Context]:
    """One context a member with events; takes that member out of ``profiles``."""
    columns = [name for name in events.columns if name != "user_id"]
    grouped = events.group_by("user_id", maintain_order=True).agg(
        pl.len().alias("count"), *(pl.col(name).tail(HISTORY_LIMIT) for name in columns)
    )
    for line in grouped.iter_rows(named=True):
        user_id: str = line["user_id"]
        kept = tuple(_events(user_id, columns, line))
        yield _context(user_id, profiles.pop(user_id, None), kept, line["count"])


def _events(user_id: str, columns: list[str], line: dict[str, Any]) -> Iterator[Event]:
    for values in zip(*(line[name] for name in columns), strict=True):
        yield Event(user_id=user_id, **dict(zip(columns, values, strict=True)))


def _context(
    user_id: str, profile: Profile | None, events: tuple[Event, ...], count: int
) -> Context:
    times = [*(event.ts for event in events[-1:]), *([profile.ts] if profile else [])]
    return Context(
        user_id,
        profile,
        events,
        dropped=count - len(events),
        revision=count + (profile is not None),
        updated_at=max(times, default=None),
    )
