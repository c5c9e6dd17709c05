"""Plain Kafka clients, as somebody who knows nothing of our code would write them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

EVENTS = "genpage.events"
Raw = tuple[bytes | None, bytes | None]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it lies on a topic."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def raw(**fields: object) -> Raw:
    """Key and value of an event, with defaults for what is not given."""
    document = {"entity_id": "e1", "action": "play", "ts": 10.0, **fields}
    return str(document["user_id"]).encode(), orjson.dumps(document)


@asynccontextmanager
async def plain_producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that compresses, so that values above the broker's bound pass it."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="gzip", max_request_size=64 << 20
    ) as producer:
        yield producer


async def produce(
    bootstrap: str,
    messages: Sequence[Raw],
    *,
    topic: str = EVENTS,
    partition: int | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
) -> list[int]:
    """Write messages in order; their offsets."""
    async with plain_producer(bootstrap) as producer:
        sent = [
            await producer.send(topic, value, key, partition=partition, headers=list(headers))
            for key, value in messages
        ]
        return [(await each).offset for each in sent]


async def produce_nothing(bootstrap: str, *, topic: str = EVENTS, partition: int) -> int:
    """Write a message with neither key nor value, as other clients can; its offset."""
    async with plain_producer(bootstrap) as producer:
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=None)
        offset: int = (await (await producer.send_batch(batch, topic, partition=partition))).offset
        return offset


async def everything_on(bootstrap: str, topic: str) -> list[Letter]:
    """All that a topic of one partition holds."""
    place = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=32 << 20,
    ) as consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        letters: list[Letter] = []
        while await consumer.position(place) < end:
            record = await consumer.getone()
            letters.append(Letter(record.key, record.value, dict(record.headers)))
        return letters


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for a condition that other processes bring about; the test's timeout bounds it."""
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.01)


async def one_epoch() -> str:
    """Names what is in a store that loses nothing."""
    return "one"
