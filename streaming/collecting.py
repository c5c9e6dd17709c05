"""Reads served pages and events off the log, day by day: what `genpage collect` joins.

No group and no offsets of its own: where to begin is found by time, so that it may be killed and
begun again anywhere. Reading twice is harmless, since days know pages and events by their ids.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from genpage.errors import PoisonError, UnavailableError
from streaming.broker import Broker
from streaming.cloud_event import attribute
from streaming.days import Days, GatheredDay
from streaming.leaving import leave
from streaming.messages import SIMULATED, Erasure, read_event
from streaming.missing_topics import create_missing
from streaming.page_messages import read_page
from streaming.record import Record, message_of
from streaming.starting import start
from streaming.topics import EVENTS, PAGES, Topic

# A day is read again from so long before it began: clocks differ, and messages are late.
SLACK_S: Final = 3_600.0
# A message may come to the log so long after its time says, for its producer's clock and tries.
MARGIN_S: Final = 600.0
# Days are given out this often, so that what is late comes together. Seconds.
GIVE_S: Final = 60.0
# How long the broker may take to say where the log ends, and the client to end. Seconds.
ASK_S: Final = 10.0
END_S: Final = 2.0
_POLL_MS: Final = 500
_MOST_RECORDS: Final = 2_000


@dataclass(slots=True)
class Progress:
    """How far it is; only ever grows, but for ``behind``: messages written and not yet read."""

    pages: int = 0
    events: int = 0
    poison: int = 0
    behind: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """Days to write, each once, and until when (Unix seconds) members were erased.

    Once they are written, whoever begins again begins from ``since``.
    """

    days: Sequence[GatheredDay]
    erased: Mapping[str, float]
    since: float


class Collecting:
    """Owned by one event loop. ``window_s`` is how long after a page an event may answer it."""

    def __init__(
        self, broker: Broker, window_s: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.progress = Progress()
        self._broker = broker
        self._days = Days(window_s)
        self._clock = clock
        self._since = float("-inf")
        self._until: dict[TopicPartition, int] | None = None
        self._written: dict[TopicPartition, float] = {}

    async def rounds(self, since: float | None, until: float | None) -> AsyncGenerator[Round]:
        """What the log has from ``since`` on (None: all), day by day as days get complete.

        What was written by ``until`` (Unix seconds) is read, and the days that are not over are
        given out as they are. None: for ever. `UnavailableError` where no broker answers.
        """
        self._since = float("-inf") if since is None else since
        async with reading(self._broker, (PAGES, EVENTS), since) as client:
            given = time.monotonic()
            while not await self._over(client, until):
                await self._read(client)
                if time.monotonic() - given >= GIVE_S:
                    given = time.monotonic()
                    watermark = await self._watermark(client)
                    if watermark is not None:
                        yield self._round(watermark)
            watermark = self._clock() if until is None else until
            last = self._round(watermark)
            # What is not over is read again by the next run, hence no later ``since`` for it.
            yield replace(last, days=[*last.days, *self._days.rest()])

    def _round(self, watermark: float) -> Round:
        days = list(self._days.due(watermark))
        since = max(self._since, self._days.since(watermark) - MARGIN_S)
        return Round(days, dict(self._days.erased), since)

    async def _over(self, client: AIOKafkaConsumer, until: float | None) -> bool:
        """Whether all is read that was written by ``until``."""
        if until is None or (self._until is None and self._clock() < until):
            return False
        if self._until is None:
            self._until = await ends_by(client, until)
        for place, end in self._until.items():
            if await client.position(place) < end:
                return False
        return True

    async def _read(self, client: AIOKafkaConsumer) -> None:
        found = await client.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
        for place, records in found.items():
            for record in records:
                if self._until is None or record.offset < self._until.get(place, 0):
                    self._take(place.topic, record)
            self._written[place] = self._when(records[-1])
        self.progress.behind = 0
        for place in client.assignment():
            behind = (client.highwater(place) or 0) - await client.position(place)
            self.progress.behind += max(0, behind)

    def _take(self, topic: str, record: Record) -> None:
        message, written = message_of(topic, record), self._when(record)
        try:
            if topic == PAGES.name:
                # One from before is in its day's file, with events that are not read again.
                if written >= self._since:
                    self._count(taken=self._days.page(read_page(message), written), page=True)
                return
            event = read_event(message)
        except PoisonError:
            self.progress.poison += 1
            return
        if isinstance(event, Erasure):
            self._days.erase(event.user_id, self._clock() if event.at is None else event.at)
            return
        simulated = attribute(message.headers, SIMULATED) == "true"
        taken = self._days.event(event, simulated=simulated, written=written)
        self._count(taken=taken, page=False)

    def _count(self, *, taken: bool, page: bool) -> None:
        self.progress.poison += not taken
        self.progress.pages += taken and page
        self.progress.events += taken and not page

    def _when(self, record: Record) -> float:
        """When a message was written; a producer's clock may be ahead of ours."""
        return min(record.timestamp / 1000, self._clock())

    async def _watermark(self, client: AIOKafkaConsumer) -> float | None:
        """All that was written before is read, Unix seconds; None where no broker says so.

        Asked for: what the client remembers of the log's end is from its last answer.
        """
        watermark = self._clock()
        try:
            async with asyncio.timeout(ASK_S):
                ends = await client.end_offsets(client.assignment())
                for place, end in ends.items():
                    if await client.position(place) < end:
                        watermark = min(watermark, self._written.get(place, 0.0))
        except (KafkaError, OSError, TimeoutError):
            return None
        return watermark if ends else None


async def ends_by(client: AIOKafkaConsumer, until: float) -> dict[TopicPartition, int]:
    """Where each of the client's partitions ended at ``until`` (Unix seconds).

    `UnavailableError` where no broker says so.
    """
    places = client.assignment()
    try:
        ends = await client.end_offsets(places)
        times = await client.offsets_for_times(dict.fromkeys(places, round(until * 1000)))
    except (KafkaError, OSError) as error:
        raise UnavailableError(f"the event log does not say where it ends: {error}") from error
    return {place: ends[place] if times[place] is None else times[place].offset for place in places}


@asynccontextmanager
async def reading(
    broker: Broker, topics: Sequence[Topic], since: float | None
) -> AsyncIterator[AIOKafkaConsumer]:
    """A client at the first message that was written from ``since`` on."""
    client = AIOKafkaConsumer(
        *(topic.name for topic in topics),
        **broker.options(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        try:
            await create_missing(broker, topics)
            await start(client.start())
            if since is not None:
                await _seek(client, since)
        except (KafkaError, OSError) as error:
            raise UnavailableError(f"no broker answers at {broker.bootstrap}: {error}") from error
        yield client
    finally:
        await leave(client, END_S)


async def _seek(client: AIOKafkaConsumer, since: float) -> None:
    places = client.assignment()
    wanted = dict.fromkeys(places, max(0, round((since - SLACK_S) * 1000)))
    found = await client.offsets_for_times(wanted)
    ends = await client.end_offsets(places)
    for place in places:
        client.seek(place, ends[place] if found[place] is None else found[place].offset)
