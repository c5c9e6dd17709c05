"""Served pages off the log, to somebody who answers them with events."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer
from cachetools import LRUCache
from structlog.typing import FilteringBoundLogger

from genpage.errors import PoisonError, UnavailableError
from genpage.event import Event
from genpage.served_page import ServedPage
from streaming.broker import Broker
from streaming.collecting import ends_by, reading
from streaming.messages import of_event
from streaming.page_messages import read_page
from streaming.producer import Producer
from streaming.record import message_of
from streaming.topics import PAGES

_POLL_MS: Final = 200
_AGAIN_S: Final = 0.5
_MOST_RECORDS: Final = 200
_REMEMBERED: Final = 1_000_000


class Playing:
    """``react`` gives what the member of a page does with it. ``pages`` and ``events`` grow."""

    def __init__(
        self,
        broker: Broker,
        react: Callable[[ServedPage], Sequence[Event]],
        log: FilteringBoundLogger,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.pages = 0
        self.events = 0
        self._broker = broker
        self._react = react
        self._log = log
        self._clock = clock
        # A page that its member came back to is told again: it is played once.
        self._met: LRUCache[str, None] = LRUCache(_REMEMBERED)

    async def play(
        self, until: float | None = None, tell: Callable[[int, int], None] | None = None
    ) -> None:
        """Answer every page that the log keeps, and those that come, marked as simulated.

        Ends behind those written by ``until`` (Unix seconds), or never. ``tell`` hears how many
        pages and events there were. `UnavailableError` where no broker answers at the start.
        """
        async with (
            reading(self._broker, (PAGES,), None) as client,
            Producer(self._broker, self._log) as producer,
        ):
            while not await self._over(client, until):
                found = await client.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
                events: list[Event] = []
                for records in found.values():
                    for record in records:
                        try:
                            page = read_page(message_of(PAGES.name, record))
                        except PoisonError:
                            continue
                        if page.page_id not in self._met:
                            self._met[page.page_id] = None
                            self.pages += 1
                            events += self._react(page)
                await _publish(producer, events)
                self.events += len(events)
                if tell is not None:
                    tell(self.pages, self.events)

    async def _over(self, client: AIOKafkaConsumer, until: float | None) -> bool:
        if until is None or self._clock() < until:
            return False
        for place, end in (await ends_by(client, until)).items():
            if await client.position(place) < end:
                return False
        return True


async def _publish(producer: Producer, events: Sequence[Event]) -> None:
    """Until they are there: their ids make a second time harmless."""
    while events:
        await producer.until_up()
        try:
            await producer.send([of_event(event, simulated=True) for event in events])
        except UnavailableError:
            await asyncio.sleep(_AGAIN_S)
            continue
        return
