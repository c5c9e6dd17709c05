"""Members' contexts out of a data folder, as a store would hold them at the data's end.

Works in columns as far as it can: a few hundred thousand events take about a second.
"""

from collections.abc import Iterator
from dataclasses import fields
from itertools import islice

import polars as pl

from dataset.folder import DataFolder, profile_of
from genpage.context import HISTORY_LIMIT, Context
from genpage.event import Event
from genpage.profile import Profile

_FIELDS = tuple(field.name for field in fields(Event))


def checked_events(folder: DataFolder) -> pl.DataFrame:
    """The events by time, each once, columns as `Event`'s fields; the folder checks them."""
    events = folder.events()
    unique = events.unique(["user_id", "event_id"], keep="first", maintain_order=True)
    return unique.select(_FIELDS)


def member_contexts(folder: DataFolder, events: pl.DataFrame) -> Iterator[Context]:
    """One context a member, in order of first event; those without events last.

    ``events`` are `checked_events`. The same as folding them one by one with `apply_event`.
    """
    profiles = {line["user_id"]: profile_of(line) for line in folder.profiles().to_dicts()}
    members = events.group_by("user_id", maintain_order=True)
    kept = members.tail(HISTORY_LIMIT)
    made = map(Event, *(kept[name].to_list() for name in _FIELDS))
    for user_id, count in members.len().iter_rows():
        newest = tuple(islice(made, min(count, HISTORY_LIMIT)))
        yield _context(user_id, profiles.pop(user_id, None), newest, count)
    for profile in profiles.values():
        yield _context(profile.user_id, profile, (), 0)


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
