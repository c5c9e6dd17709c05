"""The sink for a server with a broker: events go to the log, whose consumer feeds the store."""

import time
from collections.abc import Callable, Sequence

from genpage.errors import InputError
from genpage.event import Event
from streaming.messages import VALUE_LIMIT, Erasure, of_erasure, of_event, of_told
from streaming.producer import Producer


class KafkaSink:
    """An `EventSink` that returns once the broker has acknowledged all it was given.

    A list goes in a transaction: it is there whole or not at all. One event is whole anyway, and
    spares itself what that costs.
    """

    def __init__(self, producer: Producer, *, clock: Callable[[], float] = time.time) -> None:
        self._producer = producer
        self._clock = clock

    async def publish(self, events: Sequence[Event]) -> None:
        """Write the events, each keyed by its member; `InputError` for one that is too large."""
        messages = [of_event(event) for event in events]
        for event, message in zip(events, messages, strict=True):
            if message.value is not None and len(message.value) > VALUE_LIMIT:
                raise InputError(f"the event {event.event_id[:80]!r} is too large for the log")
        if len(messages) == 1:
            await self._producer.send(messages)
        elif messages:
            await self._producer.send_whole(messages)

    async def erase(self, user_id: str) -> None:
        """Write the member's tombstones, on all topics or none."""
        await self._producer.send_whole(of_erasure(user_id, self._clock()))

    async def tell(self, erasure: Erasure) -> None:
        """Have all replicas hear of an erasure that stands on ``genpage.events`` alone."""
        await self._producer.send([of_told(erasure)])
