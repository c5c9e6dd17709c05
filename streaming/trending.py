"""The counts of what is watched now, kept up with the events that arrive."""

import math
from collections.abc import Iterable

import numpy as np

from genpage.catalog import Catalog
from genpage.event import Event
from genpage.trends import TrendCounter, Trends

# The newest engagements, kept one by one so that a request with an earlier clock can be answered.
RECENT = 10_000


class LiveTrends:
    """Folds events into counts over one catalog. One event loop owns it."""

    def __init__(self, catalog: Catalog, *, recent: int = RECENT) -> None:
        self._catalog = catalog
        self._counter = TrendCounter(catalog)
        # Everything that is no longer among the newest.
        self._base = TrendCounter(catalog)
        self._base_newest = -math.inf
        # The newest engagements as a ring of columns, by catalog index: counting them again for
        # each request with a clock of its own takes a fraction of a millisecond.
        self._indices = np.zeros(recent, np.int32)
        self._times = np.zeros(recent)
        self._counted = 0
        self._newest = -math.inf
        self._snapshot: Trends | None = None

    def seed(self, trends: Trends, ts: float) -> None:
        """Start from counts known at ``ts`` (Unix seconds); only before the first event."""
        for counter in (self._counter, self._base):
            counter.seed(trends, ts)
        self._base_newest = ts
        self._snapshot = None

    def add(self, events: Iterable[Event]) -> None:
        """Count events."""
        self.count((event.entity_id, event.ts) for event in events)

    def count(self, engagements: Iterable[tuple[str, float]]) -> None:
        """Count engagements given as (entity id, Unix seconds); unknown entities count nothing."""
        for entity_id, ts in engagements:
            index = self._catalog.entity_index(entity_id)
            if index is None:
                continue
            self._counter.add(entity_id, ts)
            self._newest = max(self._newest, ts)
            place = self._counted % len(self._times)
            if self._counted >= len(self._times):
                self._let_go(place)
            self._indices[place], self._times[place] = index, ts
            self._counted += 1
        self._snapshot = None

    def snapshot(self, at: float | None = None) -> Trends:
        """The counts as they are; the same object until an event arrives.

        With ``at`` (Unix seconds) later engagements are left out, as far back as the newest ones
        reach that are kept one by one.
        """
        if at is not None and at < self._newest:
            return self._rebuilt(at)
        if self._snapshot is None:
            self._snapshot = self._counter.snapshot()
        return self._snapshot

    def _let_go(self, place: int) -> None:
        ts = float(self._times[place])
        self._base.add(self._catalog.entities[self._indices[place]].id, ts)
        self._base_newest = max(self._base_newest, ts)

    def _rebuilt(self, at: float) -> Trends:
        counter = TrendCounter(self._catalog)
        if self._base_newest > -math.inf:
            counter.seed(self._base.snapshot(), self._base_newest)
        kept = min(self._counted, len(self._times))
        seen = self._times[:kept] <= at
        counter.add_all(self._indices[:kept][seen], self._times[:kept][seen])
        return counter.snapshot()
