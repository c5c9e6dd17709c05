"""Reads served pages and events off the log, day by day: what `genpage collect` joins.

No group and no offsets of its own: where to begin is found by time, so that it may be killed and
begun again anywhere. Reading twice is harmless, since days know pages and events by their ids.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from genpage.catalog_changes import Change, Withdrawal
from genpage.errors import PoisonError, UnavailableError
from genpage.profile import Profile
from streaming.broker import Broker
from streaming.catalog_messages import read_change
from streaming.cloud_event import attribute
from streaming.days import Days, GatheredDay
from streaming.messages import SIMULATED, Erasure, Message, read_event, read_profile
from streaming.missing_topics import create_missing
from streaming.page_messages import read_page
from streaming.record import Record, message_of
from streaming.topics import CATALOG, EVENTS, PAGES, PROFILES, Topic

# A day is read again from so long before it began: clocks differ, and messages are late.
SLACK_S: Final = 3_600.0
# Late pages of days that were given out already are given out together, this often. Seconds.
GIVE_S: Final = 60.0
_POLL_MS: Final = 500
_MOST_RECORDS: Final = 2_000
Noun = TypeVar("Noun")


@dataclass(slots=True)
class Progress:
    """How far it is; only ever grows, but for ``behind``: messages written and not yet read."""

    pages: int = 0
    events: int = 0
    poison: int = 0
    behind: int = 0


class Collecting:
    """Owned by one event loop. ``window_s`` is how long after a page an event may answer it."""

    def __init__(
        self, broker: Broker, window_s: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.progress = Progress()
        self._broker = broker
        self._days = Days(window_s)
        self._clock = clock
        self._until: dict[TopicPartition, int] | None = None
        self._written: dict[TopicPartition, float] = {}

    async def days(self, since: float | None, until: float | None) -> AsyncGenerator[GatheredDay]:
        """The days from ``since`` on (None: all that the log has), each once it is complete.

        What was written by ``until`` (Unix seconds) is read, and the days that are not over are
        given out as they are. None: for ever. `UnavailableError` where no broker answers.
        """
        async with reading(self._broker, (PAGES, EVENTS), since) as client:
            given = time.monotonic()
            while not await self._over(client, until):
                await self._read(client)
                if time.monotonic() - given >= GIVE_S:
                    given = time.monotonic()
                    for day in self._days.due(await self._watermark(client)):
                        yield day
            for day in self._days.rest():
                yield day

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
            self._written[place] = records[-1].timestamp / 1000
        self.progress.behind = 0
        for place in client.assignment():
            behind = (client.highwater(place) or 0) - await client.position(place)
            self.progress.behind += max(0, behind)

    def _take(self, topic: str, record: Record) -> None:
        message = message_of(topic, record)
        try:
            if topic == PAGES.name:
                self._days.page(read_page(message))
                self.progress.pages += 1
                return
            event = read_event(message)
        except PoisonError:
            self.progress.poison += 1
            return
        if isinstance(event, Erasure):
            self._days.erase(event.user_id, self._clock() if event.at is None else event.at)
            return
        self._days.event(event, simulated=attribute(message.headers, SIMULATED) == "true")
        self.progress.events += 1

    async def _watermark(self, client: AIOKafkaConsumer) -> float:
        """All that was written before is read, Unix seconds."""
        watermark = self._clock()
        for place in client.assignment():
            if await client.position(place) < (client.highwater(place) or 0):
                watermark = min(watermark, self._written.get(place, 0.0))
        return watermark


async def ends_by(client: AIOKafkaConsumer, until: float) -> dict[TopicPartition, int]:
    """Where each of the client's partitions ended at ``until`` (Unix seconds)."""
    places = client.assignment()
    ends = await client.end_offsets(places)
    times = await client.offsets_for_times(dict.fromkeys(places, round(until * 1000)))
    return {place: ends[place] if times[place] is None else times[place].offset for place in places}


async def known_catalog(broker: Broker) -> Sequence[Change]:
    """The entities and rows that the log has documents of, those withdrawn since included."""
    last: dict[bytes | None, Change] = {}
    for message in await _everything(broker, CATALOG):
        change = _read(read_change, message)
        if change is not None and not isinstance(change, Withdrawal):
            last[message.key] = change
    return list(last.values())


async def known_profiles(broker: Broker) -> Iterable[Profile]:
    """The members' profiles, but of those who were erased."""
    last: dict[str, Profile | None] = {}
    for message in await _everything(broker, PROFILES):
        read = _read(read_profile, message)
        if isinstance(read, Erasure):
            last[read.user_id] = None
        elif read is not None:
            last[read.user_id] = read
    return [profile for profile in last.values() if profile is not None]


def _read(reader: Callable[[Message], Noun], message: Message) -> Noun | None:
    try:
        return reader(message)
    except PoisonError:
        return None


async def _everything(broker: Broker, topic: Topic) -> list[Message]:
    async with reading(broker, (topic,), None) as client:
        ends = await client.end_offsets(client.assignment())
        messages: list[Message] = []
        for place in ends:
            while await client.position(place) < ends[place]:
                found = await client.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
                for records in found.values():
                    messages += [message_of(topic.name, record) for record in records]
        return messages


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
            await client.start()
            if since is not None:
                await _seek(client, since)
        except (KafkaError, OSError) as error:
            raise UnavailableError(f"no broker answers at {broker.bootstrap}: {error}") from error
        yield client
    finally:
        await client.stop()


async def _seek(client: AIOKafkaConsumer, since: float) -> None:
    places = client.assignment()
    wanted = dict.fromkeys(places, max(0, round((since - SLACK_S) * 1000)))
    found = await client.offsets_for_times(wanted)
    ends = await client.end_offsets(places)
    for place in places:
        client.seek(place, ends[place] if found[place] is None else found[place].offset)
