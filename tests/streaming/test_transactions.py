"""A list of events is on the log whole or not at all, whatever happens to the broker meanwhile."""

import asyncio
import re
import uuid
from collections import Counter
from pathlib import Path

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka_clients import EVENTS, until

from deploy.services import KafkaBroker
from genpage.errors import InputError, UnavailableError
from genpage.event import Event
from streaming.broker import Broker
from streaming.kafka_sink import KafkaSink
from streaming.messages import VALUE_LIMIT
from streaming.producer import Producer

LOG = structlog.wrap_logger(
    structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger(50)
)
LIST = 60


def events(name: str) -> list[Event]:
    """A list over many members, so over all partitions; its name is in its ids."""
    return [Event(f"{name}/{n}", f"{name}-{n % 17}", "e1", "play", float(n)) for n in range(LIST)]


async def committed(bootstrap: str) -> Counter[str]:
    """How many events of each list a reader sees that minds transactions."""
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    ) as consumer:
        places = [TopicPartition(EVENTS, number) for number in range(8)]
        consumer.assign(places)
        seen: Counter[str] = Counter()
        # Those still open, of a producer that is gone, end by themselves; all before is seen.
        for place, end in (await consumer.end_offsets(places)).items():
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=500)).values():
                    for record in records:
                        # Others write to the run's broker too, poison among it.
                        found = re.search(rb'"event_id":"([^"/]+)/', record.value or b"")
                        if found:
                            seen[found[1].decode()] += 1
        return seen


async def test_lists_are_whole_or_not_there_though_the_broker_is_killed(tmp_path: Path) -> None:
    """Those acknowledged are there, the refused ones wholly or not, and it heals by itself."""
    with KafkaBroker(tmp_path) as broker:
        async with Producer(Broker(broker.bootstrap), LOG) as producer:
            sink = KafkaSink(producer)
            acknowledged: list[str] = []
            refused: list[str] = []

            async def publish(lane: int) -> None:
                number = 0
                while True:
                    number += 1
                    name = f"{lane}.{number}"
                    try:
                        await sink.publish(events(name))
                    except UnavailableError:
                        refused.append(name)
                        await asyncio.sleep(0.02)
                    else:
                        acknowledged.append(name)

            async with asyncio.TaskGroup() as group:
                lanes = [group.create_task(publish(lane)) for lane in range(4)]
                await until(lambda: len(acknowledged) > 10)
                await asyncio.to_thread(broker.kill)
                await until(lambda: len(refused) > 4 and not producer.up)
                await asyncio.to_thread(broker.start)
                before = len(acknowledged)
                await until(lambda: len(acknowledged) > before + 10)
                for lane in lanes:
                    lane.cancel()
            seen = await committed(broker.bootstrap)
    assert set(seen.values()) == {LIST}
    assert set(acknowledged) <= seen.keys()
    assert refused


async def test_a_list_that_is_not_committed_in_time_is_not_there(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events lie on the log and nobody reads them; the next list goes on at once."""
    name, later = uuid.uuid4().hex, uuid.uuid4().hex
    async with Producer(Broker(kafka), LOG) as producer:
        sink = KafkaSink(producer)

        async def published(name: str) -> bool:
            try:
                await sink.publish(events(name))
            except UnavailableError:
                return False
            return True

        async def first() -> bool:
            return await published(f"{name}-before")

        await until(first)
        with monkeypatch.context() as patch:

            async def never(_: AIOKafkaProducer) -> None:
                await asyncio.Event().wait()

            patch.setattr(AIOKafkaProducer, "commit_transaction", never)
            with pytest.raises(UnavailableError, match="same"):
                await sink.publish(events(name))
            assert producer.up

        async def second() -> bool:
            return await published(later)

        async with asyncio.timeout(10):
            await until(second)
        seen = await committed(kafka)
    assert seen[later] == LIST
    assert seen[name] == 0


async def test_what_a_reader_would_refuse_for_its_size_is_not_taken(kafka: str) -> None:
    """Else it would be acknowledged, and go to the dead letters."""
    large = Event("e", uuid.uuid4().hex, "x" * VALUE_LIMIT, "play", 1.0)
    async with Producer(Broker(kafka), LOG) as producer:
        with pytest.raises(InputError, match="too large"):
            await KafkaSink(producer).publish([large])
