"""The connection to Redis: short waits, typed errors, a breaker, and calls that go to their end.

Decisions:

1. A call runs in a task of its own and goes on when its caller leaves: its reply is read and
   dropped, so that a connection never holds a reply that somebody else could take for theirs, and
   no cancellation lands in the middle of redis-py's pool. The waits of redis-py end it.
2. While the breaker is open nobody asks: a page loses no time. One heartbeat probes, four times a
   second, so that a return is noticed without anybody asking.
3. A command that Redis refuses (read-only, out of memory) is unavailable too, and opens nothing:
   other commands may well work.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.exceptions import ClusterDownError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as SlowError

from genpage.errors import UnavailableError
from streaming.breaker import Breaker
from streaming.redis_url import Waiting, connect

Commands = Redis | RedisCluster
T = TypeVar("T")
_AWAY = (LostError, SlowError, ClusterDownError, RedisClusterException, OSError)
# Commands that fail in a row before the breaker opens.
FAILURES = 2
HEARTBEAT_S = 0.25


class RedisClient:
    """An async context manager. Owned by one event loop."""

    def __init__(
        self,
        url: str,
        *,
        waiting: Waiting | None = None,
        when_changed: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """``when_changed`` hears whether Redis is there, whenever that changes."""
        self._waiting = waiting or Waiting()
        self._redis = connect(url, self._waiting)
        self._breaker = Breaker(failures=FAILURES, pause_s=HEARTBEAT_S)
        self._when_changed = when_changed
        self._calls = asyncio.TaskGroup()
        self._heartbeat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Starts whether or not Redis is there."""
        await self._calls.__aenter__()
        await self._attempt(_ping)
        self._heartbeat = self._calls.create_task(self._watch())
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Waits for the calls under way, which are short."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        await self._calls.__aexit__(None, None, None)
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()

    @property
    def available(self) -> bool:
        """Whether Redis answered lately."""
        return self._breaker.state == "closed"

    @property
    def cluster(self) -> bool:
        """Whether keys lie on several servers, so that no transaction spans two members."""
        return isinstance(self._redis, RedisCluster)

    async def call(self, command: Callable[[Commands], Awaitable[T]]) -> T:
        """What the command returns; `UnavailableError` where Redis is away, slow or refuses."""
        if not self.available:
            raise UnavailableError("The store is away; try again.")
        task = self._calls.create_task(self._attempt(command))
        most = self._waiting.connect_s + self._waiting.command_s
        try:
            async with asyncio.timeout(most):
                outcome = await asyncio.shield(task)
        except TimeoutError as error:
            raise UnavailableError("The store is slow; try again.") from error
        if isinstance(outcome, (RedisError, *_AWAY)):
            raise UnavailableError("The store does not answer; try again.") from outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def channel(self) -> PubSub:
        """A connection to hear messages on, to be held open and closed by the caller."""
        return self._redis.pubsub()

    async def values(self, *keys: str) -> list[bytes | None]:
        """The strings of these keys, which lie on one slot; None for one missing.

        And for one of another type, where GET would be an error: to us that is no value.
        """

        def read(redis: Commands) -> Awaitable[list[bytes | None]]:
            return cast("Awaitable[list[bytes | None]]", redis.execute_command("MGET", *keys))

        return await self.call(read)

    async def _attempt(self, command: Callable[[Commands], Awaitable[T]]) -> T | Exception:
        before = self.available
        outcome: T | Exception
        try:
            outcome = await command(self._redis)
            self._breaker.succeeded()
        except _AWAY as error:
            self._breaker.failed()
            outcome = error
        except RedisError as error:
            self._breaker.succeeded()
            outcome = error
        except Exception as error:  # noqa: BLE001 - the caller's bug, and raised to the caller
            outcome = error
        if self.available != before:
            self._when_changed(self.available)
        return outcome

    async def _watch(self) -> None:
        while True:
            if self.available or self._breaker.probes():
                await self._attempt(_ping)
            await asyncio.sleep(HEARTBEAT_S)


async def _ping(redis: Commands) -> Any:  # noqa: ANN401 - redis-py's own type
    return await redis.execute_command("PING")
