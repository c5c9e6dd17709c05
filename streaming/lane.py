"""A lane: the work on one partition, from messages that were read to an offset to commit."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from genpage.errors import InputError, UnavailableError
from streaming.applier import Applier
from streaming.messages import Message, to_dead_letters
from streaming.partition import Partition
from streaming.producer import Producer
from streaming.run import Poisoned, read_run

# Messages applied at once: a run of events is one call of the store.
RUN: Final = 250
# Seconds until the store or the dead letters are tried again.
_AGAIN_S: Final = (0.05, 0.1, 0.2, 0.5)


class Record(Protocol):
    """A message as aiokafka hands it out. ``timestamp`` is in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Tally:
    """What was done so far; only ever grows. ``poison`` counts by topic and kind."""

    def __init__(self) -> None:
        self.applied = 0
        self.poison: dict[tuple[str, str], int] = {}


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
        self._partition = partition
        self._applier = applier
        self._producer = producer
        self._tally = tally
        self._log = log.bind(topic=topic, partition=partition)
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
        messages = [
            Message(self._topic, r.key, r.value, tuple(r.headers), r.timestamp / 1000)
            for r in records
        ]
        run = read_run(self._topic, messages)
        for step in run.steps:
            await self._insist(partial(self._applier.apply, step))
        for poisoned in run.poison:
            record, message = records[poisoned.index], messages[poisoned.index]
            await self._insist(partial(self._bury, record, message, poisoned))
        self._tally.applied += len(records) - len(run.poison)

    async def _bury(self, record: Record, message: Message, poisoned: Poisoned) -> None:
        """Send a message to the dead letters; without its value where it is too large for them."""
        error = poisoned.error
        letter = to_dead_letters(message, self._topic, self._partition, record.offset, error)
        try:
            await self._producer.send([letter])
        except InputError:
            await self._producer.send([Message(letter.topic, letter.key, None, letter.headers)])
        kind = (self._topic, error.kind)
        self._tally.poison[kind] = self._tally.poison.get(kind, 0) + 1
        self._log.warning("a message is poison", offset=record.offset, kind=error.kind)

    async def _insist(self, do: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again while something is away; reading pauses meanwhile."""
        for again_s in chain(_AGAIN_S, repeat(_AGAIN_S[-1])):
            try:
                await do()
            except UnavailableError as error:
                if not self.books.blocked:
                    self._log.warning("the log waits", why=str(error))
                self.books.blocked = True
                await asyncio.sleep(again_s)
            else:
                self.books.blocked = False
                return
