"""The counts of what is watched now, kept up with the events that arrive."""

from collections.abc import Iterable

from genpage.catalog import Catalog
from genpage.event import Event
from genpage.trends import TrendCounter, Trends


class LiveTrends:
    """Folds events into counts over one catalog. One event loop owns it."""

    def __init__(self, catalog: Catalog) -> None:
        self._counter = TrendCounter(catalog)
        self._snapshot: Trends | None = None

    def seed(self, trends: Trends, ts: float) -> None:
        """Start from counts known at ``ts`` (Unix seconds); only before the first event."""
        self._counter.seed(trends, ts)
        self._snapshot = None

    def add(self, events: Iterable[Event]) -> None:
        """Count events."""
        for event in events:
            self._counter.add(event.entity_id, event.ts)
        self._snapshot = None

    def snapshot(self) -> Trends:
        """The counts as they are; the same object until an event arrives."""
        if self._snapshot is None:
            self._snapshot = self._counter.snapshot()
        return self._snapshot
