"""What is in Redis has a name, its epoch: one that was emptied has none, and is filled again.

Whoever finds none gives one. A replica whose consumer fed another epoch has it read the log again
(`streaming.consumer`, decision 4); which partitions are filled in, all replicas note in Redis, so
that each of them knows when everybody's context is whole. A cluster keeps the epoch on one of its
servers: the loss of another one without its replicas is not noticed.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Collection
from typing import Protocol, cast

from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming import redis_keys
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore

Place = tuple[str, int]
LOOK_S = 0.25


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

    @property
    def whole(self) -> bool:
        """Whether the store has what the log has, as far as that can be had again."""
        return self._whole or self.feed is None

    async def begin(self) -> str:
        """The epoch that is fed from now on: what is applied for another one is refused."""
        self._contexts.epoch = await self._current()
        return self._contexts.epoch

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
                self._log.warning("the context store lost what it had", fed=self.feed is not None)
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
        held = (await self._client.values(redis_keys.EPOCH))[0]
        while held is None:
            made = uuid.uuid4().hex
            await self._client.call(lambda redis: redis.set(redis_keys.EPOCH, made, nx=True))  # noqa: B023 - awaited
            held = (await self._client.values(redis_keys.EPOCH))[0]
        return held.decode("ascii", "replace")
