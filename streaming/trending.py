"""The counts of what is watched now, kept up with the events that arrive.

Counted by entity id, for catalogs come and go, and an event may come before its title's document.
"""

import asyncio
import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.event import Event
from genpage.trends import DecayedCounts, Trends

# The newest engagements, kept one by one so that a request with an earlier clock can be answered.
RECENT: Final = 10_000
# The most titles that are counted though no catalog has them; others wait for their document.
UNHEARD: Final = 50_000
# One of those whose count is less, and not among the newest engagements, makes room: a single play
# is as little after ten days. Looked for where there is no room, once in so many seconds of events.
NEGLIGIBLE: Final = 0.01
LOOK_S: Final = 3_600.0
# Catalogs whose places are remembered: those of the versions that pages are made with.
_CATALOGS: Final = 4
# So many titles of a newer catalog are looked up before others have their turn: about 0.3 ms.
_TURN: Final = 1_000


class LiveTrends:
    """Folds events into counts. One event loop owns it."""

    def __init__(self, catalog: Catalog, *, recent: int = RECENT, unheard: int = UNHEARD) -> None:
        """``catalog`` is whose indices are meant where none is named."""
        self._catalog = catalog
        self._unheard = unheard
        # Every entity that was ever heard of has an index of its own here.
        self._places: dict[str, int] = {}
        # Those of them that no catalog had so far, and places that such ones left.
        self._strangers: set[str] = set()
        self._free: list[int] = []
        self._looked = -math.inf
        self._by_catalog: list[tuple[Catalog, NDArray[np.int32]]] = []
        self._counts = DecayedCounts()
        # Everything that is no longer among the newest.
        self._base = DecayedCounts()
        self._base_newest = -math.inf
        # The newest engagements as a ring of columns, by index: counting them again for each
        # request with a clock of its own takes a fraction of a millisecond.
        self._indices = np.zeros(recent, np.int32)
        self._times = np.zeros(recent)
        self._counted = 0
        self._newest = -math.inf
        self._snapshots: list[tuple[Catalog, Trends]] = []
        self._in_catalog(catalog)

    @property
    def untouched(self) -> bool:
        """Whether nothing was counted or seeded yet."""
        return max(self._newest, self._base_newest) == -math.inf

    def seed(self, trends: Trends, ts: float, catalog: Catalog | None = None) -> None:
        """Start from counts known at ``ts`` (Unix seconds), by the catalog's indices.

        Only before the first event.
        """
        places = self._in_catalog(self._catalog if catalog is None else catalog)
        for counts in (self._counts, self._base):
            counts.seed(trends, ts, places)
        self._base_newest = ts
        self._snapshots.clear()

    def add(self, events: Iterable[Event]) -> None:
        """Count events."""
        self.count((event.entity_id, event.ts) for event in events)

    def count(self, engagements: Iterable[tuple[str, float]]) -> None:
        """Count engagements given as (entity id, Unix seconds)."""
        for entity_id, ts in engagements:
            index = self._places.get(entity_id)
            if index is None:
                if len(self._strangers) >= self._unheard and not self._make_room(ts):
                    continue
                self._strangers.add(entity_id)
                index = self._place(entity_id)
            self._counts.add(index, ts)
            self._newest = max(self._newest, ts)
            place = self._counted % len(self._times)
            if self._counted >= len(self._times):
                self._let_go(place)
            self._indices[place], self._times[place] = index, ts
            self._counted += 1
        self._snapshots.clear()

    async def meet(self, catalog: Catalog) -> None:
        """Look a catalog's titles up before anything is made with it.

        A large one takes a tenth of a second and more, so pages and events have their turns.
        """
        if any(known is catalog for known, _ in self._by_catalog):
            return
        places = np.zeros(len(catalog.entities), np.int32)
        for first in range(0, len(places), _TURN):
            ids = [entity.id for entity in catalog.entities[first : first + _TURN]]
            places[first : first + _TURN] = [self._place(id_) for id_ in ids]
            self._strangers.difference_update(ids)
            await asyncio.sleep(0)
        self._remember(catalog, places)

    def snapshot(self, at: float | None = None, catalog: Catalog | None = None) -> Trends:
        """The counts as they are, by the catalog's indices; the same object until an event arrives.

        With ``at`` (Unix seconds) later engagements are left out, as far back as the newest ones
        reach that are kept one by one.
        """
        catalog = self._catalog if catalog is None else catalog
        if at is not None and at < self._newest:
            places = self._in_catalog(catalog)
            return self._rebuilt(at).trends(places)
        for known, trends in self._snapshots:
            if known is catalog:
                return trends
        places = self._in_catalog(catalog)
        trends = self._counts.trends(places)
        self._snapshots = [*self._snapshots[1 - _CATALOGS :], (catalog, trends)]
        return trends

    def _in_catalog(self, catalog: Catalog) -> NDArray[np.int32]:
        """(E,) the indices of a catalog's entities."""
        for known, places in self._by_catalog:
            if known is catalog:
                return places
        places = np.array([self._place(entity.id) for entity in catalog.entities], np.int32)
        if self._strangers:
            self._strangers.difference_update(entity.id for entity in catalog.entities)
        self._remember(catalog, places)
        return places

    def _remember(self, catalog: Catalog, places: NDArray[np.int32]) -> None:
        self._by_catalog = [*self._by_catalog[1 - _CATALOGS :], (catalog, places)]

    def _place(self, entity_id: str) -> int:
        """An entity's index; a new one, or one that was left, where there is none."""
        index = self._places.get(entity_id)
        if index is None:
            index = self._free.pop() if self._free else len(self._places)
            self._places[entity_id] = index
        if index >= self._counts.size:
            size = max(1_024, 2 * len(self._places))
            self._counts.grow(size)
            self._base.grow(size)
        return index

    def _make_room(self, ts: float) -> bool:
        """Forget titles that no catalog ever had and that hardly anybody watched lately."""
        if ts < self._looked + LOOK_S:
            return False
        self._looked = ts
        counts = self._counts.trends().scores
        recent = set(self._indices[: min(self._counted, len(self._indices))].tolist())
        forgotten = [
            entity_id
            for entity_id in self._strangers
            if counts[index := self._places[entity_id]] < NEGLIGIBLE and index not in recent
        ]
        left = [self._places.pop(entity_id) for entity_id in forgotten]
        self._strangers.difference_update(forgotten)
        self._free += left
        for each in (self._counts, self._base):
            each.clear(np.array(left, np.int32))
        return bool(left)

    def _let_go(self, place: int) -> None:
        ts = float(self._times[place])
        self._base.add(int(self._indices[place]), ts)
        self._base_newest = max(self._base_newest, ts)

    def _rebuilt(self, at: float) -> DecayedCounts:
        counts = DecayedCounts(self._counts.size)
        if self._base_newest > -math.inf:
            counts.seed(self._base.trends(), self._base_newest)
        kept = min(self._counted, len(self._times))
        seen = self._times[:kept] <= at
        counts.add_all(self._indices[:kept][seen], self._times[:kept][seen])
        return counts
