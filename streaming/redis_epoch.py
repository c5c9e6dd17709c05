"""What is in Redis has a name, its epoch: another one as soon as something may have been lost.

That is so where there is none, and where other server processes hold the data than those that the
epoch was given for: a Redis that was restarted came back with what its file had, which may be
minutes old, and a replica that took over has what had reached it. Neither can tell what is missing,
and the offsets past it are committed. So the log is read again; that changes nothing where all is
there, since events are known by their ids. A server's process is known by its ``run_id``, and a
cluster's by those of all its masters.

Whoever finds none that holds gives one. A replica whose consumer fed another epoch has it read the
log again (`streaming.consumer`, decision 4); which partitions are filled in, all replicas note in
Redis, so that each of them knows when everybody's context is whole.
"""

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final, Protocol, cast

from redis.asyncio import RedisCluster
from redis.exceptions import NoPermissionError
from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming import redis_keys
from streaming.redis_client import Commands, RedisClient
from streaming.redis_context import RedisContextStore
from streaming.redis_script import Script

Place = tuple[str, int]
LOOK_S = 0.25
# So long another server than the one that was asked may answer, amid a failover. Seconds.
AMID_S: Final = 10.0
# Of a server's run id, of which many stand beside a committed offset. Characters.
_TOLD: Final = 12
# Names what is held anew, unless somebody else has: the same replica of ours may be twice as slow.
# Nor by a server that is none of those asked: amid a failover a connection of before may still
# reach the old master, and by its id the new one's content would get a name that does not last.
_NAME = """
local told = redis.pcall('INFO', 'server')
local mine = type(told) == 'string' and string.match(told, 'run_id:(%x+)')
if mine and ARGV[3] ~= '' and not string.find(ARGV[3], string.sub(mine, 1, 12), 1, true) then
  return nil
end
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' then held = '' end
if held ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
"""


class Feed(Protocol):
    """What feeds the store: a `streaming.consumer.Consumer`."""

    @property
    def every_partition(self) -> Collection[Place]:
        """All partitions of its topics, whoever reads them; none while unknown."""
        ...

    def filled(self, epoch: str) -> Collection[Place]:
        """The partitions of its own that the epoch has all of."""
        ...

    def rewind(self) -> None:
        """Read again what the store has lost."""
        ...


class RedisEpoch:
    """Owned by one event loop; `watch` runs as a task of its own until it is cancelled."""

    def __init__(
        self, client: RedisClient, contexts: RedisContextStore, log: FilteringBoundLogger
    ) -> None:
        # What feeds the store, where anything does that could feed it again.
        self.feed: Feed | None = None
        self._client = client
        self._contexts = contexts
        self._log = log
        self._seen: str | None = None
        self._whole = False
        self._name = Script(_NAME)
        self._blind = False
        # From when on it is told that another server answers than the one that was asked.
        self._tell_at: float | None = None

    @property
    def whole(self) -> bool:
        """Whether the store has what it should: it takes writes, and has what the log has."""
        there = not self._client.refusing and not self._contexts.filling
        return there and (self._whole or self.feed is None)

    async def begin(self) -> str:
        """The epoch that is fed from now on: what is applied for another one is refused."""
        epoch = self._contexts.epoch = await self._current()
        if self._seen is None:
            # What is lost before the first look is fed again as well.
            self._seen = epoch
        return epoch

    async def watch(self) -> None:
        """Look again and again; while Redis is away there is nothing to see."""
        while True:
            with contextlib.suppress(UnavailableError):
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        epoch = await self._current()
        if epoch != self._seen:
            before, self._seen, self._whole = self._seen, epoch, False
            if before is not None:
                self._log.warning(
                    "the context store may have lost something",
                    why="Redis was emptied, restarted or failed over",
                    fed=self.feed is not None,
                )
                if self.feed is not None:
                    self.feed.rewind()
        if self.feed is not None and not self._whole:
            self._whole = await self._filled(self.feed, epoch)
            if self._whole:
                self._log.info("the context store has what the log has")

    async def _filled(self, feed: Feed, epoch: str) -> bool:
        """Note what is filled in; whether all is."""
        mine = [f"{topic}/{partition}" for topic, partition in feed.filled(epoch)]
        if mine:
            pairs = [text for place in mine for text in (place, epoch)]
            await self._client.call(
                lambda redis: redis.execute_command("HSET", redis_keys.FILLED, *pairs)
            )
        noted = cast(
            "dict[bytes, bytes]",
            await self._client.call(lambda redis: redis.hgetall(redis_keys.FILLED)),
        )
        every = {f"{topic}/{partition}".encode() for topic, partition in feed.every_partition}
        there = {place for place, of in noted.items() if of == epoch.encode()}
        return bool(every) and every <= there

    async def _current(self) -> str:
        while True:
            value = (await self._client.values(redis_keys.EPOCH))[0]
            held = "" if value is None else value.decode("ascii", "replace")
            servers = await self._servers()
            if held.partition(".")[2] == servers and held:
                self._tell_at = None
                return held
            names = [held, f"{uuid.uuid4().hex}.{servers}", servers]
            named = await self._client.call(
                partial(self._name.run, keys=[redis_keys.EPOCH], args=names)
            )
            if named is None:
                self._tell_of_another()
                raise UnavailableError("Redis fails over; try again.")

    def _tell_of_another(self) -> None:
        """Once, where that lasts: then it is no failover, and nothing is applied until it ends."""
        now = time.monotonic()
        if self._tell_at is None:
            self._tell_at = now + AMID_S
        if now >= self._tell_at:
            hint = "have --redis-url reach one server; until then nothing read is applied"
            self._log.warning("another Redis answers than the one that was asked", hint=hint)
            self._tell_at = math.inf

    async def _servers(self) -> str:
        """Which server processes hold the data; "" where we may not ask."""
        try:
            ids = await self._client.call(_run_ids)
        except UnavailableError as error:
            if not isinstance(error.__cause__, NoPermissionError):
                raise
            if not self._blind:
                hint = "grant +info; until then what a restart or a failover loses is not noticed"
                self._log.warning("Redis does not say which server it is", hint=hint)
            self._blind = True
            return ""
        self._blind = False
        return ",".join(sorted(one[:_TOLD] for one in ids))


async def _run_ids(redis: Commands) -> list[str]:
    clustered = isinstance(redis, RedisCluster)
    where = {"target_nodes": RedisCluster.PRIMARIES} if clustered else {}
    asked: Any = redis  # redis-py's own type of it is none
    told = await asked.execute_command("INFO", "server", **where)
    each: list[Mapping[str, object]] = [told] if "run_id" in told else list(told.values())
    return [str(one["run_id"]) for one in each]
