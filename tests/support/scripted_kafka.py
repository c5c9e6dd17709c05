"""A client of Kafka that does what a test says: partitions come and go in the middle of a call."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import ConsumerRebalanceListener, TopicPartition
from structlog.typing import FilteringBoundLogger

from streaming.broker import Broker
from streaming.producer import Producer

Committed = Mapping[TopicPartition, tuple[int, str]]


@dataclass(slots=True)
class Written:
    """A message of a partition, as aiokafka hands it out."""

    offset: int
    value: bytes | None
    key: bytes | None = b"ada"
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What a group holds of a partition; no offset is -1."""

    offset: int = -1
    metadata: str = ""


def written(prefix: str, count: int) -> list[Written]:
    """Events of one member, whose ids are the prefix and the offset."""
    document = {"user_id": "ada", "entity_id": "e1", "action": "play"}
    return [
        Written(n, orjson.dumps({**document, "event_id": f"{prefix}{n}", "ts": float(n)}))
        for n in range(count)
    ]


class Up(Producer):
    """A producer of a broker that always answers."""

    @property
    def up(self) -> bool:
        """It does."""
        return True

    async def until_up(self) -> None:
        """It is already."""


@dataclass
class ScriptedClient:
    """What the consumer uses of an `AIOKafkaConsumer`; `rebalance` is the broker's."""

    log: Mapping[TopicPartition, list[Written]]
    held: dict[TopicPartition, Held]
    # Called where the consumer asks for the beginnings: in the middle of taking stock.
    amid: Callable[[], Awaitable[None]] | None = None
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    places: frozenset[TopicPartition] = frozenset()
    listener: ConsumerRebalanceListener | None = None
    at: dict[TopicPartition, int] = field(default_factory=dict)
    still: set[TopicPartition] = field(default_factory=set)
    fetched: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def _coordinator(self) -> "ScriptedClient":
        return self

    async def rebalance(self, places: Iterable[TopicPartition]) -> None:
        """Take all partitions away and give others, from what is committed."""
        assert self.listener is not None
        if self.places:
            await self.listener.on_partitions_revoked(list(self.places))
        self.places, self.still = frozenset(places), set()
        self.at = {p: max(0, self.held.get(p, Held()).offset) for p in self.places}
        await self.listener.on_partitions_assigned(list(self.places))

    def subscribe(self, _: object, *, listener: ConsumerRebalanceListener) -> None:
        """Keep the listener."""
        self.listener = listener

    async def start(self) -> None:
        """Nothing to connect to."""

    def assignment(self) -> frozenset[TopicPartition]:
        """What it was given."""
        return self.places

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Read on from there."""
        assert place in self.places
        self.at[place] = offset

    async def position(self, place: TopicPartition) -> int:
        """Where it reads on."""
        return self.at[place]

    def pause(self, *places: TopicPartition) -> None:
        """Hand out nothing of those."""
        self.still |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        """Hand out what comes."""
        self.still -= set(places)

    def paused(self) -> set[TopicPartition]:
        """What is paused."""
        return set(self.still)

    def highwater(self, place: TopicPartition) -> int | None:
        """The end as of the last fetch."""
        return self.fetched.get(place)

    async def getmany(self, **_: object) -> dict[TopicPartition, list[Written]]:
        """All that there is behind the positions."""
        await asyncio.sleep(0.001)
        found = {p: self.log[p][self.at[p] :] for p in self.places - self.still}
        for place in found:
            self.at[place] = self.fetched[place] = len(self.log[place])
        return {place: records for place, records in found.items() if records}

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[Any, int]:
        """Nothing ages out."""
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[Any, int]:
        """Where the partitions end."""
        amid, self.amid = self.amid, None
        if amid is not None:
            await amid()
        return {place: self.ends.get(place, len(self.log[place])) for place in places}

    async def fetch_committed_offsets(self, places: Iterable[TopicPartition]) -> dict[Any, Held]:
        """What the group holds."""
        return {place: self.held[place] for place in places if place in self.held}

    async def commit(self, offsets: Committed) -> None:
        """Hold them."""
        self.held.update({place: Held(*of) for place, of in offsets.items()})


def up(log: FilteringBoundLogger) -> Up:
    """A producer that no broker is asked about."""
    return Up(Broker("localhost:9"), log)
