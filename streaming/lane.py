"""A lane: the work on one partition, from messages that were read to an offset to commit."""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming.applier import Applier
from streaming.dead_letters import DeadLetters, Tally
from streaming.partition import Partition
from streaming.producer import Producer
from streaming.record import Record, message_of
from streaming.run import read_run
from streaming.supervision import insist

# Messages applied at once: a run of events is one call of the store.
RUN: Final = 250


class Lane:
    """Owned by one event loop; `work` runs as a task of its own until it is cancelled."""

    def __init__(
        self,
        topic: str,
        partition: int,
        applier: Applier,
        producer: Producer,
        tally: Tally,
        log: FilteringBoundLogger,
    ) -> None:
        self.books = Partition()
        self._topic = topic
        self._applier = applier
        self._tally = tally
        self._log = log.bind(topic=topic, partition=partition)
        self._tracing = producer.tracing
        self._dead_letters = DeadLetters(topic, partition, producer, tally, self._log)
        self._waiting: deque[Record] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def oldest(self) -> float | None:
        """When the oldest unfinished message was written, Unix seconds; None without any."""
        return self._waiting[0].timestamp / 1000 if self._waiting else None

    def take(self, records: Sequence[Record]) -> None:
        """Put messages behind those that wait."""
        self.books.take([record.offset for record in records])
        self._waiting.extend(records)
        self._idle.clear()
        self._arrived.set()

    async def until_idle(self) -> None:
        """Return once all that was taken is finished."""
        await self._idle.wait()

    async def work(self) -> None:
        """Apply what was taken, in order, for ever; an unforeseen error of the store ends it."""
        while True:
            await self._arrived.wait()
            records = [self._waiting[i] for i in range(min(RUN, len(self._waiting)))]
            await self._finish(records)
            self.books.finish(record.offset for record in records)
            for _ in records:
                self._waiting.popleft()
            if not self._waiting:
                self._arrived.clear()
                self._idle.set()
            await asyncio.sleep(0)  # pages are served by the same loop

    async def _finish(self, records: Sequence[Record]) -> None:
        messages = [message_of(self._topic, record) for record in records]
        with self._tracing.applying(self._topic, (message.headers for message in messages)):
            run = read_run(self._topic, messages)
            for step in run.steps:
                await insist(partial(self._applier.apply, step), self._waits)
            for poisoned in run.poison:
                message, offset = messages[poisoned.index], records[poisoned.index].offset
                bury = partial(self._dead_letters.bury, message, offset, poisoned.error)
                await insist(bury, self._waits)
        self._tally.applied += len(records) - len(run.poison)

    def _waits(self, why: UnavailableError | None) -> None:
        """Reading pauses as long as something is away."""
        if why is not None and not self.books.blocked:
            self._log.warning("the log waits", why=str(why))
        self.books.blocked = why is not None
