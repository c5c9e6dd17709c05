"""Members' contexts out of a data folder, as a store would hold them at the data's end."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from dataset.folder import DataFolder, profile_of
from genpage.context import HISTORY_LIMIT, Context
from genpage.errors import DatasetError
from genpage.event import ACTIONS, Event
from genpage.profile import Profile

_REQUIRED = ("event_id", "user_id", "entity_id", "action", "ts")


def checked_events(folder: DataFolder) -> pl.DataFrame:
    """All events, each once, oldest first; `DatasetError` where one could not be applied."""
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


def member_contexts(folder: DataFolder, events: pl.DataFrame) -> Iterator[Context]:
    """One context a member, in order of first event; those without events last.

    ``events`` are `checked_events`. The same as folding each event by `apply_event`, at the speed
    of a table.
    """
    profiles = {line["user_id"]: profile_of(line) for line in folder.profiles().to_dicts()}
    columns = [name for name in events.columns if name != "user_id"]
    grouped = events.group_by("user_id", maintain_order=True).agg(
        pl.len().alias("count"), *(pl.col(name).tail(HISTORY_LIMIT) for name in columns)
    )
    for line in grouped.iter_rows(named=True):
        user_id: str = line["user_id"]
        kept = tuple(_events(user_id, columns, line))
        yield _context(user_id, profiles.pop(user_id, None), kept, line["count"])
    for profile in profiles.values():
        yield _context(profile.user_id, profile, (), 0)


# Any: cells of a table, of whatever type their column has.
def _events(user_id: str, columns: list[str], line: Mapping[str, Any]) -> Iterator[Event]:
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
