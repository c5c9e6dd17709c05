"""The connection to Redis: cancelled calls, timeouts, refusals, loss and return."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError
from stores import ERASED_AT, redis_store

from deploy.services import RedisServer, free_port
from genpage.errors import UnavailableError, UsageError
from genpage.event import Event
from streaming import redis_client
from streaming.redis_client import Commands, RedisClient
from streaming.redis_url import Waiting, connect


class Told:
    """What a client says of Redis."""

    def __init__(self) -> None:
        self.changes: list[tuple[bool, str]] = []
        self.refusals: list[str] = []

    def changed(self, available: bool, why: str) -> None:
        """Whether it is there, and why not."""
        self.changes.append((available, why))


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
    """And the change is told once Redis is lost, with its reason, not at every failure."""
    told = Told()
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with RedisClient(url, waiting=HASTY, when_changed=told.changed) as client:
        await until(client, available=False)
        with pytest.raises(UnavailableError):
            await client.values("a")
    assert told.changes == [(False, "ConnectionError")]


async def test_a_return_is_told_whoever_notices_it(lost: tuple[RedisServer, RedisClient]) -> None:
    """A call that began before the loss and is answered after it, too."""
    server, _ = lost
    told, go_on = Told(), asyncio.Event()

    async def late(_: Commands) -> None:
        await go_on.wait()

    waiting = Waiting(connect_s=0.2, command_s=20.0)
    async with RedisClient(server.url, waiting=waiting, when_changed=told.changed) as client:
        begun = asyncio.ensure_future(client.call(late))
        server.kill()
        await until(client, available=False)
        go_on.set()
        await begun
        assert client.available
        assert told.changes == [(False, "ConnectionError"), (True, "")]


@pytest.mark.parametrize("connections", [1, 4])
async def test_many_calls_at_once_wait_for_their_turn(
    redis_server: RedisServer, connections: int
) -> None:
    """Far more than there are connections: all are answered, and Redis is never taken for lost."""
    told = Told()
    waiting = Waiting(connect_s=10.0, command_s=0.25, connections=connections)
    async with RedisClient(redis_server.url, waiting=waiting, when_changed=told.changed) as client:
        assert await asyncio.gather(*(client.values("none") for _ in range(600))) == [[None]] * 600
    assert told.changes == []


async def test_a_probe_that_breaks_is_followed_by_another(
    lost: tuple[RedisServer, RedisClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw costs one probe, not the return."""
    server, client = lost
    server.kill()
    await until(client, available=False)
    broken, right = asyncio.Event(), redis_client._ping

    async def breaks(_: Commands) -> None:
        broken.set()
        raise ZeroDivisionError

    monkeypatch.setattr(redis_client, "_ping", breaks)
    await broken.wait()
    monkeypatch.setattr(redis_client, "_ping", right)
    server.start()
    await until(client, available=True)


async def test_how_redis_refuses_is_told_once(lost: tuple[RedisServer, RedisClient]) -> None:
    """By its word for it alone; once it has taken a write in between, again."""
    server, _ = lost
    told = Told()
    async with RedisClient(
        server.url, waiting=Waiting(5.0, 5.0), when_refused=told.refusals.append
    ) as client:
        store = redis_store(client)
        for times in (1, 2):
            await client.call(lambda redis: redis.execute_command("REPLICAOF", "127.0.0.1", "1"))
            for _ in range(3):
                with pytest.raises(UnavailableError, match="READONLY"):
                    await store.apply([Event("e1", "secret", "film", "play", 1.0)])
            assert told.refusals == times * ["ReadOnlyError READONLY"]
            await client.call(lambda redis: redis.execute_command("REPLICAOF", "NO", "ONE"))
            while client.refusing:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)


async def test_an_error_of_the_commands_own_is_no_outage(redis_server: RedisServer) -> None:
    """Who asks for it gets it as it is; for the others the store is not to be had."""
    async with RedisClient(redis_server.url) as client:
        await client.call(lambda redis: redis.set("text", "a"))

        async def wrong(redis: Commands) -> None:
            await redis.execute_command("LLEN", "text")

        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await client.call(wrong, judged=True)
        with pytest.raises(UnavailableError, match="WRONGTYPE"):
            await client.call(wrong)
        assert client.available


@pytest.mark.parametrize(
    "error",
    [
        ReadOnlyError("You can't write against a read only replica."),
        NoPermissionError("this user has no permissions"),
        ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        ResponseError("BUSY Redis is busy running a script"),
        ResponseError(
            "Error running script (call to f_1): @user_script:46: -OOM command not allowed"
        ),
        ResponseError(
            "Error running script (call to f_1): @user_script: 46: -READONLY You can't write"
        ),
    ],
)
async def test_what_waiting_mends_is_unavailable(
    redis_server: RedisServer, error: ResponseError
) -> None:
    """Even where the command's own errors are asked for, of every version of Redis."""

    async def refused(_: Commands) -> None:
        raise error

    async with RedisClient(redis_server.url) as client:
        with pytest.raises(UnavailableError):
            await client.call(refused, judged=True)


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
