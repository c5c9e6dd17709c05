"""The reader of a whole topic: every replica reads all of it, alone, from its beginning.

For small compacted topics (the catalog, the checkpoints), whose last message by key is what holds.
Supervised as the consumer is. Decisions:

1. No group and no offsets: what was applied is gone with the process. A session that follows
   another goes on where that one ended, so that nobody sees older messages after newer ones.
2. Every replica sends what is poison to the dead letters, at each start. Their headers say which
   message it was; a message is taken off the topic by one of the same key.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Generic, Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.typing import FilteringBoundLogger

from genpage.errors import PoisonError, UnavailableError
from streaming.broker import Broker
from streaming.dead_letters import DeadLetters, Tally
from streaming.leaving import leave
from streaming.messages import Message
from streaming.missing_topics import create_missing
from streaming.producer import Producer
from streaming.record import Record, message_of
from streaming.sessions import CLOSE_S, MOST_RECORDS, POLL_MS, Sessions, State
from streaming.starting import start
from streaming.supervision import insist
from streaming.topics import Topic

# At the end, for a session that is cancelled: its client may take `CLOSE_S`, and is then cut off.
LAST_S: Final = CLOSE_S + 3.0
Noun = TypeVar("Noun")


class Follower(Generic[Noun]):
    """An async context manager; reads in the background from when it is entered.

    ``read`` turns a message into what it says, or raises `PoisonError`; ``apply`` is given a batch
    of those in order, and again where it raised `UnavailableError`.
    """

    def __init__(
        self,
        broker: Broker,
        producer: Producer,
        topic: Topic,
        read: Callable[[Message], Noun],
        apply: Callable[[Sequence[Noun]], Awaitable[None]],
        log: FilteringBoundLogger,
        *,
        from_end: bool = False,
    ) -> None:
        """``from_end`` passes over what was on the topic when it was first reached."""
        self._from_end = from_end
        self.topic = topic
        self.tally = Tally()
        # Set once all is applied that was on the topic when it was first reached.
        self.caught_up = asyncio.Event()
        self._broker = broker
        self._producer = producer
        self._read = read
        self._apply = apply
        self._log = log.bind(topic=topic.name)
        self._client: AIOKafkaConsumer | None = None
        self._blocked = False
        # Where to go on, and where the topic ended when it was first reached.
        self._positions: dict[TopicPartition, int] = {}
        self._first_ends: dict[TopicPartition, int] | None = None
        self._sessions = Sessions(
            self._session, producer, self._log, name=f"follow {topic.name}", last_s=LAST_S
        )

    async def __aenter__(self) -> Self:
        await self._sessions.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """End, within seconds in any case; what is being applied may be cut short."""
        await self._sessions.__aexit__(*failure)

    @property
    def alive(self) -> bool:
        """Whether it reads, or will again once the broker is back."""
        return self._sessions.alive

    @property
    def state(self) -> State:
        """How it is, for people and probes."""
        return self._sessions.state

    @property
    def lag(self) -> int:
        """Messages that are written and not yet applied, as far as is known."""
        lag = 0
        for place, position in self._positions.items():
            end = None if self._client is None else self._client.highwater(place)
            lag += max(0, (end or 0) - position)
        return lag

    async def _session(self) -> None:
        client = AIOKafkaConsumer(
            self.topic.name,
            **self._broker.options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        self._client = client
        try:
            await create_missing(self._broker, (self.topic, self.topic.dead_letters))
            await start(client.start())
            await self._take_up(client)
            self._sessions.joined = True
            while not self._sessions.closing:
                await self._note(client)
                found = await client.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
                for place, records in found.items():
                    await self._finish(place, records)
        finally:
            self._sessions.joined, self._client = False, None
            await leave(client, CLOSE_S if self._producer.up else 0.0)

    async def _take_up(self, client: AIOKafkaConsumer) -> None:
        """Go on where the last session ended; note where the topic ends."""
        for place in client.assignment():
            if place in self._positions:
                client.seek(place, self._positions[place])
        if self._first_ends is None:
            self._first_ends = await client.end_offsets(client.assignment())
            if self._from_end:
                for place, end in self._first_ends.items():
                    client.seek(place, end)

    async def _note(self, client: AIOKafkaConsumer) -> None:
        """Note how far it is: past what compaction and transactions left no message of, too."""
        for place in client.assignment():
            self._positions[place] = await client.position(place)
        ends = self._first_ends or {}
        if all(self._positions.get(place, 0) >= end for place, end in ends.items()):
            self.caught_up.set()

    async def _finish(self, place: TopicPartition, records: Sequence[Record]) -> None:
        letters = DeadLetters(
            self.topic.name, place.partition, self._producer, self.tally, self._log
        )
        nouns: list[Noun] = []
        for record in records:
            message = message_of(self.topic.name, record)
            try:
                nouns.append(self._read(message))
            except PoisonError as error:
                poison = error
            except Exception as error:  # noqa: BLE001 - whatever it does to us, the next comes
                poison = PoisonError("unreadable", repr(error))
            else:
                continue
            await insist(partial(letters.bury, message, record.offset, poison), self._waits)
        if nouns:
            await insist(partial(self._apply, tuple(nouns)), self._waits)
            self.tally.applied += len(nouns)
        self._positions[place] = records[-1].offset + 1

    def _waits(self, why: UnavailableError | None) -> None:
        if why is not None and not self._blocked:
            self._log.warning("the topic waits", why=str(why))
        self._blocked = why is not None
