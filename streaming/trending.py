"""The counts of what is watched now, kept up with the events that arrive."""

import math
from collections import deque
from collections.abc import Iterable

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
        # Everything that is no longer in `_recent`.
        self._base = TrendCounter(catalog)
        self._base_newest = -math.inf
        self._recent: deque[tuple[str, float]] = deque()
        self._limit = recent
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
        """Count engagements given as (entity id, Unix seconds)."""
        for engagement in engagements:
            self._counter.add(*engagement)
            self._newest = max(self._newest, engagement[1])
            self._recent.append(engagement)
            if len(self._recent) > self._limit:
                entity_id, ts = self._recent.popleft()
                self._base.add(entity_id, ts)
                self._base_newest = max(self._base_newest, ts)
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

    def _rebuilt(self, at: float) -> Trends:
        counter = TrendCounter(self._catalog)
        if self._base_newest > -math.inf:
            counter.seed(self._base.snapshot(), self._base_newest)
        for entity_id, ts in self._recent:
            if ts <= at:
                counter.add(entity_id, ts)
        return counter.snapshot()
