"""What was known when: members' histories, and what was new, live and trending at a moment."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataset.folder import DataFolder, profile_of
from genpage.catalog import Catalog
from genpage.event import Event
from genpage.injection import Injection, inject
from genpage.profile import Profile
from genpage.trends import TrendCounter, Trends
from tokenizer.history import Histories
from tokenizer.vocabulary import Vocabulary

# Trends are folded up to the last such tick before a moment, so that one injection serves many
# pages; serving folds them as events come.
TICK_S = 1800.0
_EVENT_COLUMNS = (
    *("event_id", "user_id", "entity_id", "action", "ts", "duration_s"),
    *("page_id", "row_id", "row_pos", "col_pos"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The events of a data folder, to be asked about any past moment.

    ``first_time`` (N,) marks, in the order of ``histories``, the events with a title that their
    member had nothing of before. Remembers the injections it has made, until it is to `forget`.
    """

    catalog: Catalog
    vocabulary: Vocabulary
    histories: Histories
    first_time: NDArray[np.bool_]  # (N,)
    profiles: dict[str, Profile]
    _entities: tuple[str, ...]  # N', by time
    _ts: NDArray[np.float64]  # (N',) ascending
    _on_pages: pl.DataFrame
    _page_places: dict[str, tuple[int, int]]
    _injections: dict[float, Injection] = field(default_factory=dict)
    # (H, E) logarithms of the counts, at each moment that a page of training was asked for in.
    _paces: dict[float, NDArray[np.float16]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: DataFolder, catalog: Catalog, vocabulary: Vocabulary) -> "Timeline":
        """All events and profiles of a folder."""
        events = folder.events(columns=_EVENT_COLUMNS)
        histories = Histories.of(
            vocabulary,
            events["user_id"].to_list(),
            events["entity_id"].to_list(),
            events["action"].to_list(),
            events["ts"].to_numpy(),
            events["duration_s"].to_list(),
        )
        on_pages = events.filter(pl.col("page_id").is_not_null()).sort(
            "page_id", "ts", maintain_order=True
        )
        lengths = on_pages.group_by("page_id", maintain_order=True).len()
        ends = np.cumsum(lengths["len"].to_numpy().astype(np.int64))
        starts = ends - lengths["len"].to_numpy()
        places = zip(
            lengths["page_id"], zip(starts.tolist(), ends.tolist(), strict=True), strict=True
        )
        profiles = {
            line["user_id"]: profile_of(line) for line in folder.profiles().iter_rows(named=True)
        }
        return cls(
            catalog=catalog,
            vocabulary=vocabulary,
            histories=histories,
            first_time=_first_times(histories),
            profiles=profiles,
            _entities=tuple(events["entity_id"]),
            _ts=events["ts"].to_numpy().astype(np.float64),
            _on_pages=on_pages,
            _page_places=dict(places),
        )

    def trends_before(self, at: float) -> Trends:
        """The counts of all events before ``at``."""
        counter = TrendCounter(self.catalog)
        end = int(np.searchsorted(self._ts, at, side="left"))
        indices = [self.catalog.entity_index(entity) for entity in self._entities[:end]]
        known = np.array([index is not None for index in indices], np.bool_)
        places = np.array([index or 0 for index in indices], np.int32)
        counter.add_all(places[known], self._ts[:end][known])
        return counter.snapshot()

    def learn_injections(self, moments: NDArray[np.float64]) -> None:
        """Prepare `injection` for these moments, in one pass over the events."""
        counter, event = TrendCounter(self.catalog), 0
        for tick in np.unique(np.floor(moments / TICK_S) * TICK_S).tolist():
            end = int(np.searchsorted(self._ts, tick, side="left"))
            for index in range(event, end):
                counter.add(self._entities[index], float(self._ts[index]))
            event = end
            trends = counter.snapshot()
            self._injections[tick] = inject(self.catalog, trends, tick)
            if trends.paces is not None:
                self._paces[tick] = np.log1p(trends.paces).astype(np.float16)

    def forget(self, before: float) -> None:
        """Drop what was prepared for moments before ``before``: each holds counts of all titles."""
        for held in (self._injections, self._paces):
            for tick in [tick for tick in held if tick < before]:
                del held[tick]

    def injection(self, at: float) -> Injection:
        """What was new, live and trending at the last tick before ``at``."""
        return self._injections[float(np.floor(at / TICK_S) * TICK_S)]

    def paces(self, at: float) -> NDArray[np.float32] | None:
        """(H, E) the counts at the last tick before ``at``; None before the first event."""
        held = self._paces.get(float(np.floor(at / TICK_S) * TICK_S))
        return None if held is None else np.expm1(held.astype(np.float32))

    def on_page(self, page_id: str) -> tuple[Event, ...]:
        """What was done on a page, by time."""
        start, end = self._page_places.get(page_id, (0, 0))
        lines = self._on_pages[start:end].iter_rows(named=True)
        return tuple(Event(**line) for line in lines)


def _first_times(histories: Histories) -> NDArray[np.bool_]:
    sizes = np.diff(histories.offsets)
    member = np.repeat(np.arange(len(sizes)), sizes)
    pair = member * (int(histories.entity.max(initial=0)) + 1) + histories.entity
    first = np.zeros(len(pair), np.bool_)
    first[np.unique(pair, return_index=True)[1]] = True
    return first
