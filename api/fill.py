"""Fills an empty context store from a data folder, so that a demo knows its members at once."""

from dataclasses import dataclass

import polars as pl

from dataset.contexts import checked_events, member_contexts
from dataset.folder import DataFolder
from genpage.catalog import Catalog
from genpage.trends import TrendCounter
from streaming.memory import MemoryContextStore
from streaming.trending import RECENT, LiveTrends


@dataclass(frozen=True, slots=True)
class Filled:
    """What was loaded. ``newest`` is the newest event's time, Unix seconds.

    Where the data has more members than the store holds, ``histories_lost`` counts those whose
    events it let go, ``members_lost`` those of whom it keeps nothing.
    """

    members: int
    events: int
    newest: float | None
    histories_lost: int = 0
    members_lost: int = 0


def fill(
    folder: DataFolder, contexts: MemoryContextStore, trends: LiveTrends, catalog: Catalog
) -> Filled:
    """Load every member's profile and newest events, and count all events for the trends.

    ``catalog`` is the one that ``trends`` counts over. A `DatasetError` says what
    `genpage validate` would say at length.
    """
    events = checked_events(folder)
    loaded = list(member_contexts(folder, events))
    contexts.load(loaded)
    _count(events, trends, catalog)
    newest: float | None = events["ts"][-1] if len(events) else None
    histories = sum(bool(context.events) for context in loaded)
    return Filled(
        len(loaded),
        len(events),
        newest,
        histories_lost=histories - contexts.histories,
        members_lost=len(loaded) - len(contexts),
    )


def _count(events: pl.DataFrame, trends: LiveTrends, catalog: Catalog) -> None:
    """The latest events one by one, as the server counts them; those before in one sum."""
    older, latest = events[: max(0, len(events) - RECENT)], events[-RECENT:]
    if len(older):
        newest: float = older["ts"][-1]
        places = older.select(
            "ts",
            pl.col("entity_id")
            .replace_strict(catalog.entity_positions, default=None, return_dtype=pl.Int32)
            .alias("place"),
        ).drop_nulls()
        counter = TrendCounter(catalog)
        counter.add_all(places["place"].to_numpy(), places["ts"].to_numpy())
        trends.seed(counter.snapshot(), newest)
    trends.count(zip(latest["entity_id"].to_list(), latest["ts"].to_list(), strict=True))
