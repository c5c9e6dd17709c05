"""Real servers as processes on a real Redis and Kafka: killed, held, and ended as an operator does.

They serve without a bundle: what is at stake is the members' events.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka_clients import EVENTS, Raw, produce, raw, until
from prometheus_client.parser import text_string_to_metric_families
from server_process import ServerProcess, fresh_group, parts

from deploy.services import RedisServer
from genpage.context import Context, apply_event
from genpage.documents import parse
from genpage.event import Event
from streaming import topics
from streaming.broker import Broker
from streaming.missing_topics import create_missing


@dataclass(frozen=True, slots=True)
class Start:
    """Starts servers of one group."""

    group: str
    begin: Callable[[str], ServerProcess]

    def __call__(self, name: str) -> ServerProcess:
        """Start one whose files are in a folder of that name."""
        return self.begin(name)


SESSION_S = 6


@pytest.fixture
async def start(tmp_path: Path, redis_server: RedisServer, kafka: str) -> AsyncIterator[Start]:
    """Starts servers of one group on the run's Redis and Kafka."""
    await create_missing(Broker(kafka))
    group = fresh_group()
    with ExitStack() as stack:

        def begin(name: str) -> ServerProcess:
            where = ("--redis-url", redis_server.url, "--kafka", kafka, "--kafka-group", group)
            session = ("--kafka-session", str(SESSION_S))
            server = ServerProcess(tmp_path / name, *where, *session)
            return stack.enter_context(server)

        yield Start(group, begin)


async def number(client: httpx.AsyncClient, name: str) -> float:
    """A metric, its labels summed."""
    text = (await client.get("/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )


async def is_ok(client: httpx.AsyncClient) -> bool:
    """Whether it reads the log."""
    return (await parts(client))["events"] == "ok"


def reference(messages: Sequence[Raw]) -> Mapping[str, Context]:
    """What one event after the other comes to."""
    expected: dict[str, Context] = {}
    for _, value in messages:
        assert value is not None
        event = parse(Event, orjson.loads(value))
        before = expected.get(event.user_id, Context(event.user_id))
        expected[event.user_id] = apply_event(before, event)
    return expected


async def has(client: httpx.AsyncClient, expected: Mapping[str, Context]) -> bool:
    """Whether the server holds exactly these contexts."""
    for user_id, context in expected.items():
        answer = await client.get(f"/v1/users/{user_id}/context")
        if answer.status_code != 200:
            return False
        held = [event["event_id"] for event in answer.json()["events"]]
        if held != [event.event_id for event in context.events]:
            return False
    return True


def stream(count: int) -> list[Raw]:
    """Events of 40 members: reordered, late, and one in ten a duplicate."""
    prefix = uuid.uuid4().hex
    messages: list[Raw] = []
    for n in range(count):
        if n % 10 == 9:
            messages.append(messages[n // 10 * 7919 % n])
        else:
            ts = float(n if n % 13 else n - 60)
            messages.append(raw(event_id=f"{n}", user_id=f"{prefix}-{n % 40}", ts=max(0.0, ts)))
    return messages


async def not_committed(kafka: str, group: str, prefix: str) -> tuple[int, int]:
    """How many events lie behind the group's offsets: of members of that name, and of all."""
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
    ) as consumer:
        places = [TopicPartition(EVENTS, n) for n in range(topics.EVENTS.partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, await consumer.committed(place) or 0)
        mine = every = 0
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                every += len(records)
                mine += sum((record.key or b"").startswith(prefix.encode()) for record in records)
        return mine, every


async def test_a_server_killed_while_it_applies_loses_and_repeats_nothing(
    kafka: str, start: Start, redis_server: RedisServer
) -> None:
    """With kill -9 in the middle of 10,000 events, duplicates and late ones among them.

    Redis holds still with events of a run in hand, and takes them when the server is dead.
    """
    messages = stream(10_000)
    prefix = parse(Event, orjson.loads(messages[0][1] or b"")).user_id.rpartition("-")[0]
    await produce(kafka, messages[:5_000])
    server = start("one")
    async with server.client() as client:

        async def applied(least: float) -> bool:
            done = await number(client, "genpage_kafka_applied_total") >= least
            return done and await number(client, "genpage_kafka_lag") == 0

        async with asyncio.timeout(60):
            await until(lambda: applied(5_000))
        redis_server.pause()
        try:
            await produce(kafka, messages[5_000:])

            async def waits() -> bool:
                return await number(client, "genpage_kafka_lag") >= 5_000

            await until(waits)
            server.kill()
        finally:
            redis_server.go_on()
    mine, every = await not_committed(kafka, start.group, prefix)
    assert 5_000 <= mine < 10_000
    server.start()
    async with server.client() as client:
        expected = reference(messages)

        async def whole() -> bool:
            return await applied(mine) and await has(client, expected)

        await until(whole)
        assert mine <= await number(client, "genpage_kafka_applied_total") <= every


async def test_two_servers_share_the_partitions_and_one_held_still_is_replaced(
    kafka: str, start: Start
) -> None:
    """Past its session the other has them all; it comes back, and each event was applied once."""
    one, two = start("one"), start("two")
    async with one.client() as first, two.client(timeout_s=90.0) as second:
        for client in (first, second):

            async def joined(client: httpx.AsyncClient = client) -> bool:
                return await is_ok(client)

            await until(joined)

        async def shared() -> bool:
            messages = stream(400)
            before = [await number(c, "genpage_kafka_applied_total") for c in (first, second)]
            await produce(kafka, messages)
            async with asyncio.timeout(30):

                async def there() -> bool:
                    return await has(first, reference(messages))

                await until(there)
            after = [await number(c, "genpage_kafka_applied_total") for c in (first, second)]
            return all(b > a for a, b in zip(before, after, strict=True))

        await until(shared)
        two.pause()
        try:
            messages = stream(2_000)
            await produce(kafka, messages)

            async def taken_over() -> bool:
                return await has(first, reference(messages))

            async with asyncio.timeout(SESSION_S + 40):
                await until(taken_over)
        finally:
            two.go_on()
        later = stream(400)
        await produce(kafka, later)

        async def back() -> bool:
            return await is_ok(second) and await has(second, reference([*messages, *later]))

        await until(back)
        await until(shared)


async def test_an_end_hands_over_at_once(kafka: str, start: Start) -> None:
    """By SIGTERM: what is done is committed and the group left, and the next one reads on."""
    one = start("one")
    messages = stream(500)
    async with one.client() as client:
        await produce(kafka, messages)

        async def applied() -> bool:
            done = await number(client, "genpage_kafka_applied_total")
            return done >= 500 and await number(client, "genpage_kafka_lag") == 0

        await until(applied)
    assert await asyncio.to_thread(one.end, 20) == 0
    later = stream(100)
    await produce(kafka, later)
    two = start("two")
    async with two.client() as client:

        async def went_on() -> bool:
            return await has(client, reference(later))

        await until(went_on)
        # None of the 500 again: they were committed.
        assert await number(client, "genpage_kafka_applied_total") == 100


async def test_lists_posted_to_a_server_that_is_killed_are_whole_or_not_there(
    start: Start,
) -> None:
    """With kill -9 in the middle of a transaction: those acknowledged are there, none in part."""
    server, prefix = start("one"), uuid.uuid4().hex
    posted: dict[str, bool] = {}

    async def post(lane: int) -> None:
        while True:
            name = f"{prefix}-{lane}-{len(posted)}"
            posted[name] = False
            event = {"entity_id": "e1", "action": "play", "ts": 10.0}
            events = [
                {**event, "user_id": f"{name}-{n}", "event_id": f"{name}-{n}"} for n in range(12)
            ]
            posted[name] = (await client.post("/v1/events", json=events)).status_code == 202

    async def events_of(name: str) -> int:
        found = [await client.get(f"/v1/users/{name}-{n}/context") for n in range(12)]
        return sum(answer.status_code == 200 for answer in found)

    async with server.client() as client:

        async def taken() -> bool:
            answer = await client.post("/v1/events", json=[])
            return answer.status_code in {202, 422} and await is_ok(client)

        await until(taken)
        posting = [asyncio.create_task(post(lane)) for lane in range(4)]
        await until(lambda: sum(posted.values()) > 5)
        server.kill()
        await asyncio.gather(*posting, return_exceptions=True)
    server.start()
    async with server.client() as client:
        acknowledged = [name for name, taken in posted.items() if taken]

        async def there() -> bool:
            return [await events_of(name) for name in acknowledged] == [12] * len(acknowledged)

        async with asyncio.timeout(60):
            await until(there)
        for name in posted.keys() - acknowledged:
            assert await events_of(name) in {0, 12}
