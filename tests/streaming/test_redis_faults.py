"""A Redis that is slow, full or read-only: nobody gets another's reply, and nothing is lost."""

import asyncio
import random
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka_clients import produce, raw, until
from replica import Replica, replica
from slow_proxy import SlowProxy
from stores import redis_store

from deploy.services import RedisServer
from genpage.errors import UnavailableError
from genpage.event import Event
from streaming.broker import Broker
from streaming.missing_topics import create_missing
from streaming.redis_client import RedisClient
from streaming.redis_url import Waiting

KEYS = 30
# Each with what takes it back.
REFUSALS = {
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "without replicas": (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
}


@given(seed=st.integers(0, 2**20))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_reply_reaches_another_caller(redis_server: RedisServer, seed: int) -> None:
    """Over few connections, with replies held back past the wait, callers leaving at any moment."""
    chance = random.Random(seed)
    waiting = Waiting(connect_s=1.0, command_s=0.03, connections=3)

    def delay() -> float:
        return chance.choice([0.0, 0.0, 0.0, 0.002, 0.02, 0.05])

    async with SlowProxy(redis_server.port, delay) as proxy:
        async with RedisClient(redis_server.url) as direct:
            for n in range(KEYS):
                await direct.call(lambda redis, n=n: redis.set(f"slow:{n}", str(n)))  # type: ignore[misc]
        async with RedisClient(f"redis://127.0.0.1:{proxy.port}/0", waiting=waiting) as client:
            wrong: list[tuple[int, bytes | None]] = []
            answered = 0

            async def read(number: int) -> None:
                nonlocal answered
                try:
                    found = (await client.values(f"slow:{number}"))[0]
                except UnavailableError:
                    return
                answered += 1
                if found != str(number).encode():
                    wrong.append((number, found))

            async def leave(number: int) -> None:
                task = asyncio.ensure_future(read(number))
                await asyncio.sleep(chance.choice([0.0, 0.001, 0.01, 0.04]))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

            for _ in range(4):
                calls = [read(chance.randrange(KEYS)) for _ in range(12)]
                leaving = [leave(chance.randrange(KEYS)) for _ in range(8)]
                await asyncio.gather(*calls, *leaving)
            proxy.delay = lambda: 0.0
            await until(lambda: client.available)
            answered = 0
            await asyncio.gather(*(read(n) for n in range(KEYS)))
            assert wrong == []
            assert answered


async def order(redis: RedisServer, *command: str) -> None:
    """Tell Redis something, on a connection of its own."""
    async with RedisClient(redis.url, waiting=Waiting(5.0, 5.0)) as client:
        await client.call(lambda link: link.execute_command(*command))


async def ids(one: Replica, user: str) -> list[str]:
    """The ids of a member's events."""
    context = await one.contexts.get(user)
    return [] if context is None else [event.event_id for event in context.events]


async def test_a_redis_that_refuses_writes_holds_events_back(kafka: str, tmp_path: Path) -> None:
    """Read-only, full, or short of replicas: pages are read, marked, and events wait on the log."""
    await create_missing(Broker(kafka))
    user, group = f"held-{uuid.uuid4().hex}", f"group-{uuid.uuid4().hex}"
    with RedisServer(tmp_path / "redis") as redis:
        async with replica(redis.url, kafka, group) as one:
            await produce(kafka, [raw(event_id="0", user_id=user)])
            await until(lambda: one.epoch.whole)
            known = ["0"]

            async def all_there() -> bool:
                return await ids(one, user) == known

            await until(all_there)
            for number, (refuse, allow) in enumerate(REFUSALS.values(), start=1):
                await order(redis, *refuse)
                message = raw(event_id=str(number), user_id=user, ts=10.0 + number)
                await produce(kafka, [message])
                await until(lambda: not one.epoch.whole)
                assert not await one.whole(user)
                assert await ids(one, user) == known
                assert (one.log.state, one.connection.state) == ("ok", "stale")
                await order(redis, *allow)
                known.append(str(number))
                await until(all_there)
                await until(lambda: one.epoch.whole)
            assert one.read_again == 0


async def test_a_list_is_applied_whole_or_not_at_all(tmp_path: Path) -> None:
    """Many members in one list, on a Redis whose memory ends at any point of it."""
    events = [Event("e1", f"user {n}", "film", "play", 1.0) for n in range(500)]
    with RedisServer(tmp_path / "redis") as redis:
        async with RedisClient(redis.url, waiting=Waiting(5.0, 5.0)) as client:
            store = redis_store(client)
            outcomes = set()
            for spare in range(-20_000, 400_000, 60_000):
                await client.call(lambda link: link.flushall())
                used = (await client.call(lambda link: link.info("memory")))["used_memory"]
                await order(redis, "CONFIG", "SET", "maxmemory", str(used + spare))
                try:
                    changed = len(await store.apply(events))
                except UnavailableError:
                    changed = 0
                there = await client.call(lambda link: link.keys("*:ctx"))
                assert len(there) == changed
                outcomes.add(changed)
                await order(redis, "CONFIG", "SET", "maxmemory", "0")
                assert len(await store.apply(events)) == len(events) - changed
            assert outcomes == {0, len(events)}


@pytest.mark.parametrize("damage", ["cut", "schema", "another"])
async def test_a_value_that_cannot_be_read_heals(tmp_path: Path, damage: str) -> None:
    """Truncated, of another schema, or another member's: a miss, and the next event begins anew."""
    with RedisServer(tmp_path / "redis") as redis:
        async with RedisClient(redis.url, waiting=Waiting(5.0, 5.0)) as client:
            store = redis_store(client)
            await store.apply([Event(f"e{n}", "ada", "film", "play", float(n)) for n in range(9)])
            await store.apply([Event("e1", "bob", "film", "play", 1.0)])
            ada, bob = await client.values("genpage:{u:ada}:ctx", "genpage:{u:bob}:ctx")
            assert ada is not None
            assert bob is not None
            value = {"cut": ada[: len(ada) // 2], "schema": b"GPC9" + ada[4:], "another": bob}[
                damage
            ]
            await client.call(lambda link: link.set("genpage:{u:ada}:ctx", value))
            assert await redis_store(client).get("ada") is None
            event = Event("e9", "ada", "film", "play", 9.0)
            assert await store.apply([event]) == [event]
            context = await redis_store(client).get("ada")
            assert context is not None
            assert context.events == (event,)
