"""The connection to Redis: short waits, typed errors, a breaker, and calls that go to their end.

Decisions:

1. A call runs in a task of its own and goes on when its caller leaves: its reply is read and
   dropped, so that a connection never holds a reply that somebody else could take for theirs, and
   no cancellation lands in the middle of redis-py's pool. The waits of redis-py end it.
2. While the breaker is open nobody asks: a page loses no time. One heartbeat probes, four times a
   second, so that a return is noticed without anybody asking.
3. A command that Redis refuses (read-only, out of memory) is unavailable too, and opens nothing:
   other commands may well work. That writes are refused is remembered, since what is read is then
   older than it says, until a write of the heartbeat's works.
4. Any other error of a command is no outage: waiting mends nothing. Who can tell which of several
   things is at fault asks for it as it is (``judged``); for all others the store is not to be had.
5. Calls wait for their turn here, for as long as a call may last, and not in redis-py's pools: a
   cluster's do not wait at all, and that no connection is left says nothing about Redis.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeVar, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.exceptions import (
    ClusterDownError,
    MaxConnectionsError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as SlowError

from genpage.errors import UnavailableError
from streaming import redis_keys
from streaming.breaker import Breaker
from streaming.redis_url import Waiting, close, connect

Commands = Redis | RedisCluster
T = TypeVar("T")
_AWAY = (LostError, SlowError, ClusterDownError, RedisClusterException, OSError)
_WRITES_REFUSED: Final = {"READONLY", "OOM", "MISCONF", "NOREPLICAS"}
# How Redis says that it is not the command's fault, but its own state's or how we are set up.
_REFUSED: Final = _WRITES_REFUSED | {
    *("LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "UNKILLABLE", "EXECABORT"),
    *("NOAUTH", "NOPERM", "WRONGPASS", "MOVED", "ASK", "CROSSSLOT"),
}
# As a word of its own at the start, or where a script before Redis 7 quotes it.
_WORD: Final = re.compile(r"(?:.*@user_script: ?\d+: )?-?([A-Z]{3,})\b", re.DOTALL)
# redis-py leaves the word out where it has a class for it.
_WORDS: Final = {
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "NoPermissionError": "NOPERM",
    "BusyLoadingError": "LOADING",
    "TryAgainError": "TRYAGAIN",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "AskError": "ASK",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ExecAbortError": "EXECABORT",
    "AuthenticationError": "WRONGPASS",
}
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
        when_changed: Callable[[bool, str], None] = lambda _, __: None,
        when_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``when_changed`` hears whether Redis is there, whenever that changes, and why.

        ``when_refused`` hears how Redis refuses a command, once until that changes: the word that
        Redis has for it and the kind of error, no text of a member's.
        """
        self._waiting = waiting or Waiting()
        self._redis = connect(url, self._waiting)
        self._breaker = Breaker(failures=FAILURES, pause_s=HEARTBEAT_S)
        self._when_changed = when_changed
        self._when_refused = when_refused
        # What they heard last.
        self._told = True
        self._refusals: set[str] = set()
        self._turns = asyncio.Semaphore(self._waiting.connections)
        self._calls = asyncio.TaskGroup()
        # Whether Redis refused a write lately: it is read-only, full, or short of replicas.
        self.refusing = False
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Starts whether or not Redis is there."""
        await self._calls.__aenter__()
        await self._attempt(_ping)
        self._calls.create_task(self._watch())
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Waits for the calls under way, which are short."""
        self._closing.set()
        await self._calls.__aexit__(None, None, None)
        with contextlib.suppress(RedisError, OSError):
            await close(self._redis)

    @property
    def available(self) -> bool:
        """Whether Redis answered lately."""
        return self._breaker.state == "closed"

    @property
    def cluster(self) -> bool:
        """Whether keys lie on several servers, so that no transaction spans two members."""
        return isinstance(self._redis, RedisCluster)

    async def call(self, command: Callable[[Commands], Awaitable[T]], *, judged: bool = False) -> T:
        """What the command returns, one connection's worth of commands.

        `UnavailableError` where Redis is away, slow or refuses. An error that is the command's own
        (`redis.exceptions.ResponseError`) is one too, or raised as it is where it is ``judged``.
        """
        outcome = await self._in_turn(command)
        if not isinstance(outcome, Exception):
            return outcome
        if isinstance(outcome, _AWAY):
            raise UnavailableError(
                f"The store does not answer ({_named(outcome)}); try again."
            ) from outcome
        if isinstance(outcome, RedisError) and not (judged and _word(outcome) not in _REFUSED):
            raise UnavailableError(
                f"The store refuses ({_named(outcome)}); try again."
            ) from outcome
        raise outcome

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

    async def _in_turn(self, command: Callable[[Commands], Awaitable[T]]) -> T | Exception:
        try:
            async with asyncio.timeout(self._waiting.connect_s + self._waiting.command_s):
                await self._turns.acquire()
                if not self.available:
                    self._turns.release()
                    raise UnavailableError("The store is away; try again.")
                task = self._calls.create_task(self._attempt(command))
                task.add_done_callback(lambda _: self._turns.release())
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise UnavailableError("The store is slow; try again.") from error

    async def _attempt(self, command: Callable[[Commands], Awaitable[T]]) -> T | Exception:
        outcome: T | Exception
        try:
            outcome = await command(self._redis)
            self._breaker.succeeded()
        except _AWAY as error:
            outcome = error
            if not _crowded(error) or self._breaker.state == "half-open":
                self._breaker.failed()
        except RedisError as error:
            outcome = error
            self._breaker.succeeded()
            self.refusing |= _word(error) in _WRITES_REFUSED
            self._refused(error)
        except Exception as error:  # noqa: BLE001 - the caller's bug, and raised to the caller
            outcome = error
            # A probe has to end one way or the other, or there is never another one.
            if self._breaker.state == "half-open":
                self._breaker.failed()
        self._tell(outcome)
        return outcome

    def _refused(self, error: RedisError) -> None:
        name = _named(error)
        if name not in self._refusals:
            self._refusals.add(name)
            self._when_refused(name)

    def _tell(self, outcome: object) -> None:
        if self.available != self._told:
            self._told = self.available
            self._refusals.clear()
            self._when_changed(
                self.available, _named(outcome) if isinstance(outcome, Exception) else ""
            )

    async def _watch(self) -> None:
        # Never cancelled: redis-py may swallow that, and the end would wait for ever.
        while not self._closing.is_set():
            if self.refusing and self.available:
                self.refusing = isinstance(await self._attempt(_write), Exception)
                if not self.refusing:
                    self._refusals.clear()
            elif self.available or self._breaker.probes():
                await self._attempt(_ping)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._closing.wait()


async def _ping(redis: Commands) -> Any:  # noqa: ANN401 - redis-py's own type
    return await redis.execute_command("PING")


async def _write(redis: Commands) -> Any:  # noqa: ANN401 - redis-py's own type
    return await redis.set(redis_keys.PROBE, b"", ex=60)


def _word(error: Exception) -> str:
    """The word that Redis has for an error; "" where it has none."""
    found = _WORD.match(str(error))
    return _WORDS.get(type(error).__name__, "") or ("" if found is None else found[1])


def _named(error: Exception) -> str:
    """The kind of error and Redis's word for it: the text may name a member, or a password."""
    return " ".join(part for part in (type(error).__name__, _word(error)) if part)


def _crowded(error: Exception) -> bool:
    """Whether there was no connection left to ask over."""
    return isinstance(error, MaxConnectionsError) or "No connection available" in str(error)
