"""The connection to Redis: cancelled calls, timeouts, refusals, loss and return."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis, RedisCluster
from stores import ERASED_AT, redis_store

from deploy.services import RedisServer, free_port
from genpage.errors import UnavailableError, UsageError
from genpage.event import Event
from genpage.profile import Profile
from streaming.ports import CachedHistory
from streaming.redis_client import Commands, RedisClient
from streaming.redis_prompts import RedisPromptCache
from streaming.redis_url import Waiting, connect

HASTY = Waiting(connect_s=0.2, command_s=0.1, connections=4)


@pytest.fixture
async def lost(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, RedisClient]]:
    """A Redis of the test's own, to be ended or held, and a client that does not wait long."""
    with RedisServer(tmp_path) as server:
        async with RedisClient(server.url, waiting=HASTY) as client:
            yield server, client


async def until(client: RedisClient, *, available: bool) -> None:
    """Returns when the heartbeat has noticed; the test's own timeout bounds it."""
    while client.available != available:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)


async def test_a_cancelled_call_hands_its_reply_to_nobody(redis_server: RedisServer) -> None:
    """Calls cancelled at any moment, over few connections: every other one gets its own value."""
    waiting = Waiting(command_s=5.0, connections=3)
    chance = random.Random(0)
    async with RedisClient(redis_server.url, waiting=waiting) as client:
        for n in range(50):
            await client.call(lambda redis, n=n: redis.set(f"mine:{n}", str(n)))  # type: ignore[misc]

        async def read(number: int) -> bytes | None:
            return (await client.values(f"mine:{number}"))[0]

        async def leave(number: int) -> None:
            task = asyncio.ensure_future(read(number))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        for _ in range(20):
            numbers = [chance.randrange(50) for _ in range(20)]
            leaving = [leave(chance.randrange(50)) for _ in range(20)]
            found, _ = await asyncio.gather(
                asyncio.gather(*map(read, numbers)), asyncio.gather(*leaving)
            )
            assert found == [str(n).encode() for n in numbers]


async def test_a_call_in_flight_that_is_cancelled_is_read_to_its_end(
    lost: tuple[RedisServer, RedisClient],
) -> None:
    """Redis held still with the call on its way; the next key's value is its own."""
    server, client = lost
    for name in ("a", "b"):
        await client.call(lambda redis, name=name: redis.set(name, name))  # type: ignore[misc]
    server.pause()
    task = asyncio.ensure_future(client.values("a"))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    server.go_on()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(10):
        assert await client.values("b", "a") == [b"b", b"a"]


async def test_away_costs_nothing_after_the_first_failures(
    lost: tuple[RedisServer, RedisClient],
) -> None:
    """It is noticed without anybody asking, refused without waiting, and heals by itself."""
    server, client = lost
    server.kill()
    await until(client, available=False)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for _ in range(100):
        with pytest.raises(UnavailableError):
            await client.values("a")
    assert loop.time() - begun < 0.1
    server.start()
    await until(client, available=True)
    assert await client.values("a") == [None]


async def test_one_that_hangs_is_as_good_as_away(lost: tuple[RedisServer, RedisClient]) -> None:
    """The wait is short, and the connections are not used up by it."""
    server, client = lost
    await client.values("a")
    server.pause()
    begun = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(client.values("a") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(answer, UnavailableError) for answer in answers)
    assert asyncio.get_running_loop().time() - begun < 1.0
    await until(client, available=False)
    server.go_on()
    await until(client, available=True)
    await asyncio.gather(*(client.values("a") for _ in range(20)))


async def test_closing_waits_for_no_redis(lost: tuple[RedisServer, RedisClient]) -> None:
    """One that hangs, with a call on its way, holds the end up for its wait alone."""
    server, _ = lost
    loop = asyncio.get_running_loop()
    async with RedisClient(server.url, waiting=HASTY) as client:
        await client.values("a")
        server.pause()
        task = asyncio.ensure_future(client.values("a"))
        await asyncio.sleep(0)
        begun = loop.time()
    assert loop.time() - begun < 2.0
    with pytest.raises(UnavailableError):
        await task
    server.go_on()


async def test_a_refused_write_is_unavailable_and_reading_goes_on(
    lost: tuple[RedisServer, RedisClient],
) -> None:
    """A read-only Redis: the breaker stays closed."""
    _, client = lost
    store = redis_store(client)
    event = Event("e1", "ada", "film", "play", 1.0)
    await store.apply([event])
    await client.call(lambda redis: redis.execute_command("REPLICAOF", "127.0.0.1", "1"))
    for _ in range(5):
        with pytest.raises(UnavailableError):
            await store.apply([Event("e2", "ada", "film", "play", 2.0)])
    assert client.available
    context = await store.get("ada")
    assert context is not None
    assert context.events == (event,)


async def test_a_bug_in_a_command_is_raised_as_it_is(redis_server: RedisServer) -> None:
    """It is no outage, and ends nothing but its own call."""

    async def wrong(_: Commands) -> None:
        raise ZeroDivisionError

    async with RedisClient(redis_server.url) as client:
        with pytest.raises(ZeroDivisionError):
            await client.call(wrong)
        assert await client.values("nothing") == [None]


async def test_it_starts_without_redis_and_says_so() -> None:
    """And the change is told once Redis is lost, not at every failure."""
    told: list[bool] = []
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with RedisClient(url, waiting=HASTY, when_changed=told.append) as client:
        await until(client, available=False)
        with pytest.raises(UnavailableError):
            await client.values("a")
    assert told == [False]


async def test_scripts_survive_a_flush(redis_server: RedisServer) -> None:
    """A Redis that was restarted or failed over has forgotten them."""
    async with RedisClient(redis_server.url) as client:
        store = redis_store(client)
        for n in range(2):
            await client.call(lambda redis: redis.execute_command("SCRIPT", "FLUSH"))
            one = [Event(f"{n}", "flushed", "film", "play", ERASED_AT + n)]
            assert list(await store.apply(one)) == one
            await client.call(lambda redis: redis.execute_command("SCRIPT", "FLUSH"))
            two = [Event(f"b{n}", f"flushed{m}", "film", "play", float(n)) for m in range(3)]
            assert list(await store.apply(two)) == two


async def test_a_cluster_gets_no_call_over_two_slots(tmp_path: Path) -> None:
    """Everything that the stores do, on a server that refuses multi-slot calls."""
    bus = ("--cluster-port", str(free_port()))
    options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", *bus)
    with RedisServer(tmp_path, options=options) as server:
        node: Any = Redis(port=server.port, protocol=2)
        await node.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        while (await node.execute_command("CLUSTER INFO"))["cluster_state"] != "ok":
            continue
        await node.aclose()
        async with RedisClient(f"redis+cluster://127.0.0.1:{server.port}") as client:
            store, cache = redis_store(client), RedisPromptCache(client)
            events = [
                Event(f"e{n}", f"user {n % 50}", "film", "play", float(n)) for n in range(200)
            ]
            assert client.cluster
            assert list(await store.apply(events)) == events
            assert list(await store.apply(events)) == []
            await store.put_profile(Profile("user 1", country="NZ", ts=3.0))

            tokens = np.array([1, 2], np.int32)
            for vocabulary in ("v1", "v2", "v3"):
                await cache.put("user 1", vocabulary, CachedHistory("1", 0.0, tokens, tokens))
            assert await cache.get("user 1", "v3") is not None
            assert await cache.get("user 1", "v1") is None
            assert await store.erase("user 1")
            assert await cache.get("user 1", "v3") is None
            context = await store.get("user 2")
            assert context is not None
            assert len(context.events) == 4


def test_a_url_is_read_or_refused() -> None:
    """One server, a cluster, a Sentinel's master; the rest says what to give."""
    waiting = Waiting()
    for url in (
        "redis://127.0.0.1:1/2",
        "rediss://user:p%40ss@host/0",
        "unix:///run/redis.sock?db=1",
        "redis+sentinel://a:1,b/name/3",
    ):
        assert isinstance(connect(url, waiting), Redis)
    assert isinstance(connect("rediss+cluster://a:1,[::1]:2", waiting), RedisCluster)
    for url in ("", "127.0.0.1:6379", "http://host", "redis+raft://host", "redis+cluster://"):
        with pytest.raises(UsageError, match="--redis-url"):
            connect(url, waiting)
