"""A lane: the work on one partition, from messages that were read to an offset to commit."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice, repeat
from typing import Final

from structlog.typing import FilteringBoundLogger

from genpage.errors import PoisonError, UnavailableError
from streaming.ahead import Ahead
from streaming.applier import Applier
from streaming.dead_letters import DeadLetters, Tally
from streaming.partition import Partition
from streaming.producer import Producer
from streaming.record import Record, message_of, size_of
from streaming.refusal import MOST_FAILED, Failed, Trials
from streaming.run import Poisoned, Step, read_run
from streaming.supervision import insist

# Messages applied at once: a run of events is one call of the store.
RUN: Final = 250
# Their bytes, where there is more than one.
RUN_BYTES: Final = 1 << 20
# Seconds until messages that are held are tried again.
_AGAIN_S: Final = (0.1, 0.2, 0.5, 1.0)


class Lane:
    """Owned by one event loop; `work` runs as a task of its own until it is cancelled."""

    def __init__(
        self,
        topic: str,
        partition: int,
        applier: Applier,
        producer: Producer,
        tally: Tally,
        trials: Trials,
        log: FilteringBoundLogger,
    ) -> None:
        # Whether messages wait that fail, and it is not known yet whether the fault is theirs.
        self.held = False
        self.books = Partition()
        self._topic = topic
        self._place = (topic, partition)
        self._applier = applier
        self._tally = tally
        self._trials = trials
        self._log = log.bind(topic=topic, partition=partition)
        self._tracing = producer.tracing
        self._dead_letters = DeadLetters(topic, partition, producer, tally, self._log)
        # Of the run that is applied, how many messages were applied before, by this process.
        self._counted = 0
        # And of which members are forgotten. Where it is read again, all of it is done again.
        self._erased: set[int] = set()
        self._ahead = Ahead()
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
        self.books.take([record.offset for record in records], map(size_of, records))
        self._waiting.extend(records)
        self._idle.clear()
        self._arrived.set()

    async def until_idle(self) -> None:
        """Return once all that was taken is finished."""
        await self._idle.wait()

    async def work(self) -> None:
        """Apply what was taken, in order, for ever; an error that meets all messages ends it."""
        waits: Iterator[float] = iter(_AGAIN_S)
        applied = 0
        me = asyncio.current_task()
        # Asked, since a store's client may swallow the cancellation: nothing is begun after it.
        while me is None or not me.cancelling():
            await self._arrived.wait()
            if not self.held:
                waits, applied = chain(_AGAIN_S, repeat(_AGAIN_S[-1])), self._trials.applied
            records = self._next()
            self.held = not await self._finish(records, since=applied)
            if self.held:
                await asyncio.sleep(next(waits))
                continue
            self.books.finish(record.offset for record in records)
            for _ in records:
                self._waiting.popleft()
            if not self._waiting:
                self._arrived.clear()
                self._idle.set()
            await asyncio.sleep(0)  # pages are served by the same loop

    def _next(self) -> list[Record]:
        """The run that is applied next: the first of those that wait, and no more than may be."""
        size, run = 0, list[Record]()
        for record in islice(self._waiting, RUN):
            size += size_of(record)
            if run and size > RUN_BYTES:
                break
            run.append(record)
        return run

    async def _finish(self, records: Sequence[Record], *, since: int) -> bool:
        """Whether all was applied or buried; False to try again (see `streaming.refusal`)."""
        messages = [message_of(self._topic, record) for record in records]
        with self._tracing.applying(self._topic, (message.headers for message in messages)):
            run = read_run(self._topic, messages, self._ahead)
            failed: list[Failed] = []
            reached = self._trials.reached.get(self._place, 0)
            self._counted = sum(record.offset < reached for record in records)
            self._erased.clear()
            for step in run.steps:
                await self._try(step, failed, since)
            if self._trials.applied - since < len(failed):
                if not self.held:
                    self._log.error("messages are held", count=len(failed), why=_why(failed[0]))
                return False
            poison = list(run.poison)
            for each in failed:
                self._trials.refuse(each)
                poison.append(Poisoned(each.index, PoisonError("refused", _why(each))))
            for poisoned in poison:
                message, offset = messages[poisoned.index], records[poisoned.index].offset
                bury = partial(self._dead_letters.bury, message, offset, poisoned.error)
                await insist(bury, self._waits)
        self._ahead.add(run.ahead, records[-1].timestamp / 1000)
        self._trials.reached[self._place] = max(reached, records[-1].offset + 1)
        self._tally.applied += len(records) - len(poison)
        return True

    async def _try(self, step: Step, failed: list[Failed], since: int) -> None:
        try:
            apply = partial(self._applier.apply, step, self._counted, self._erased)
            await insist(apply, self._waits)
        except Exception as error:
            halves = step.halves()
            if halves is not None:
                for half in halves:
                    await self._try(half, failed, since)
                return
            failed.append(Failed(step.indices[0], error))
            if len(failed) >= MOST_FAILED and self._trials.applied == since:
                raise
        else:
            self._trials.applied += len(step.indices)

    def _waits(self, why: UnavailableError | None) -> None:
        """Reading pauses as long as something is away."""
        if why is not None and not self.books.blocked:
            self._log.warning("the log waits", why=str(why))
        self.books.blocked = why is not None


def _why(failed: Failed) -> str:
    """The kind of error, and no more: its text may quote what a member did."""
    return f"the store fails with {type(failed.error).__name__}"
