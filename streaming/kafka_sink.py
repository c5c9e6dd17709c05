"""The sink for a server with a broker: events go to the log, whose consumer feeds the store."""

import time
from collections.abc import Callable, Sequence

from genpage.event import Event
from streaming.messages import of_erasure, of_event
from streaming.producer import Producer


class KafkaSink:
    """An `EventSink` that returns once the broker has acknowledged all it was given.

    A list whose last events are not acknowledged is refused whole; those of it that arrived all the
    same are known by their ids when it is sent again.
    """

    def __init__(self, producer: Producer, *, clock: Callable[[], float] = time.time) -> None:
        self._producer = producer
        self._clock = clock

    async def publish(self, events: Sequence[Event]) -> None:
        """Write the events, each keyed by its member."""
        await self._producer.send([of_event(event) for event in events])

    async def erase(self, user_id: str) -> None:
        """Write the member's tombstones."""
        await self._producer.send(of_erasure(user_id, self._clock()))
