"""The sink for a server without a broker: events go straight into the context store."""

from collections.abc import Sequence

from genpage.event import Event
from streaming.ports import ContextStore
from streaming.trending import LiveTrends


class DirectSink:
    """An `EventSink` that applies what it is given before it returns."""

    def __init__(self, store: ContextStore, trends: LiveTrends | None = None) -> None:
        self._store = store
        self._trends = trends

    async def publish(self, events: Sequence[Event]) -> None:
        """Apply the events and count those that were new."""
        changed = await self._store.apply(events)
        if self._trends is not None and changed:
            self._trends.add(changed)

    async def erase(self, user_id: str) -> None:
        """There is nobody else to tell."""
