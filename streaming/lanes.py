"""The lanes of a consumer: one for each partition that has messages, with the task that works."""

import asyncio
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from structlog.typing import FilteringBoundLogger

from streaming.applier import Applier
from streaming.dead_letters import Tally
from streaming.ending import ended
from streaming.lane import Lane
from streaming.producer import Producer
from streaming.record import Record
from streaming.refusal import Trials
from streaming.stock import Place


class Lanes:
    """Owned by one event loop. A lane begins with the first message; `end` ends all of them."""

    def __init__(
        self, applier: Applier, producer: Producer, tally: Tally, log: FilteringBoundLogger
    ) -> None:
        self._applier = applier
        self._producer = producer
        self._tally = tally
        self._log = log
        self._trials = Trials()
        self._lanes: dict[Place, Lane] = {}
        self._workers: dict[Place, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """How many partitions have one."""
        return len(self._lanes)

    @property
    def waiting(self) -> bool:
        """Whether messages wait for a store that fails on them, or does not answer."""
        return any(lane.held or lane.books.blocked for lane in self._lanes.values())

    @property
    def oldest(self) -> float | None:
        """When the oldest unfinished message was written, Unix seconds; None without any."""
        known = (lane.oldest for lane in self._lanes.values())
        return min((oldest for oldest in known if oldest is not None), default=None)

    @property
    def committable(self) -> dict[Place, int]:
        """The offsets that may be committed and are not."""
        known = {place: lane.books.committable for place, lane in self._lanes.items()}
        return {place: offset for place, offset in known.items() if offset is not None}

    @property
    def positions(self) -> dict[Place, int]:
        """Of those with messages in flight: all before is finished."""
        busy = {p: lane.books.position for p, lane in self._lanes.items() if lane.books.in_flight}
        return {place: position for place, position in busy.items() if position is not None}

    def take(self, group: asyncio.TaskGroup, place: Place, records: Sequence[Record]) -> None:
        """Put messages behind those that wait; ``group`` bears the work."""
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(
                *place, self._applier, self._producer, self._tally, self._trials, self._log
            )
            self._workers[place] = group.create_task(lane.work(), name=f"lane {place[0]}")
        lane.take(records)

    def flow(self, client: AIOKafkaConsumer) -> None:
        """Pause partitions whose lanes are full or stuck, resume those that are neither."""
        for place, lane in self._lanes.items():
            flow = lane.books.flow()
            if flow is not None:
                (client.pause if flow == "pause" else client.resume)(place)

    def committed(self, positions: Mapping[Place, int]) -> None:
        """The broker holds these offsets."""
        for place, position in positions.items():
            if place in self._lanes:
                self._lanes[place].books.committed(position)

    async def until_idle(self) -> None:
        """Return once all that was taken is finished."""
        for lane in list(self._lanes.values()):
            await lane.until_idle()

    async def end(self, within_s: float) -> None:
        """Drop what is in flight; a task that does not end is not waited for any longer."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await ended(workers, within_s, self._log)
        self.clear()

    def clear(self) -> None:
        """Forget them: their tasks have ended with their group."""
        self._lanes.clear()
        self._workers.clear()
