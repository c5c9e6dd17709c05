"""Fills an empty context store from a data folder, so that a demo knows its members at once.

Works in columns as far as it can: a few hundred thousand events take about a second.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice

import numpy as np
import polars as pl

from dataset.folder import DataFolder, profile_of
from genpage.catalog import Catalog
from genpage.context import HISTORY_LIMIT, Context
from genpage.errors import DatasetError
from genpage.event import ACTIONS, Event
from genpage.profile import Profile
from genpage.trends import HALF_LIFE_S, Trends
from streaming.memory import MemoryContextStore
from streaming.trending import RECENT, LiveTrends

_FIELDS = tuple(field.name for field in fields(Event))
_REQUIRED = ("event_id", "user_id", "entity_id", "action", "ts")


@dataclass(frozen=True, slots=True)
class Filled:
    """What was loaded. ``newest`` is the newest event's time, Unix seconds."""

    members: int
    events: int
    newest: float | None


def fill(
    folder: DataFolder, contexts: MemoryContextStore, trends: LiveTrends, catalog: Catalog
) -> Filled:
    """Load every member's profile and newest events, and count all events for the trends.

    ``catalog`` is the one that ``trends`` counts over. A `DatasetError` says what
    `genpage validate` would say at length.
    """
    events = _checked(folder)
    profiles = {line["user_id"]: profile_of(line) for line in folder.profiles().to_dicts()}
    loaded = list(_contexts(events, profiles))
    loaded += [_context(profile.user_id, profile, (), 0) for profile in profiles.values()]
    contexts.load(loaded)
    _count(events, trends, catalog)
    newest: float | None = events["ts"][-1] if len(events) else None
    return Filled(len(loaded), len(events), newest)


def _checked(folder: DataFolder) -> pl.DataFrame:
    """The events by time, each once, columns as `Event`'s fields."""
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
    unique = events.unique(["user_id", "event_id"], keep="first", maintain_order=True)
    return unique.select(_FIELDS)


def _contexts(events: pl.DataFrame, profiles: dict[str, Profile]) -> Iterator[Context]:
    """One context a member with events; takes that member out of ``profiles``."""
    members = events.group_by("user_id", maintain_order=True)
    kept = members.tail(HISTORY_LIMIT)
    made = map(Event, *(kept[name].to_list() for name in _FIELDS))
    for user_id, count in members.len().iter_rows():
        newest = tuple(islice(made, min(count, HISTORY_LIMIT)))
        yield _context(user_id, profiles.pop(user_id, None), newest, count)


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


def _count(events: pl.DataFrame, trends: LiveTrends, catalog: Catalog) -> None:
    """The latest events one by one, as the server counts them; those before in one sum."""
    older, latest = events[: max(0, len(events) - RECENT)], events[-RECENT:]
    if len(older):
        newest: float = older["ts"][-1]
        weight = ((pl.col("ts") - newest) * (math.log(2) / HALF_LIFE_S)).exp()
        scores = np.zeros(len(catalog.entities), np.float32)
        for entity_id, score in older.group_by("entity_id").agg(weight.sum()).iter_rows():
            index = catalog.entity_index(entity_id)
            if index is not None:
                scores[index] = score
        trends.seed(Trends(scores), newest)
    trends.count(zip(latest["entity_id"].to_list(), latest["ts"].to_list(), strict=True))
