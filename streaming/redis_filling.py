"""The connection to Redis with what goes on beside it for as long as a server runs.

It is filled from a data folder where nothing was ever in it; its epoch is watched; erasures that
other replicas did are heard of.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

from structlog.typing import FilteringBoundLogger

from genpage.context import Context
from genpage.errors import UnavailableError
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore
from streaming.redis_epoch import RedisEpoch
from streaming.redis_erasures import Forgets, RedisErasures

# Until what goes on beside is begun again, after an error that nobody foresaw. Seconds.
AGAIN_S: Final = 1.0


class FilledRedis:
    """Holds a `RedisClient` open; an async context manager."""

    def __init__(
        self,
        client: RedisClient,
        store: RedisContextStore,
        contexts: Sequence[Context],
        epoch: RedisEpoch,
        erasures: RedisErasures,
        log: FilteringBoundLogger,
    ) -> None:
        self._client = client
        self._store = store
        self._contexts = contexts
        self._epoch = epoch
        self._erasures = erasures
        self._log = log
        self._beside: list[asyncio.Task[None]] = []
        self._filling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Returns at once; until the store is filled, what happens waits and pages are marked."""
        await self._client.__aenter__()
        self._store.filling = bool(self._contexts)
        if self._contexts:
            self._filling = asyncio.create_task(self._fill(), name="redis-filling")
        self._beside = [
            asyncio.create_task(self._keep(self._epoch.watch), name="redis-epoch"),
            asyncio.create_task(self._keep(self._erasures.listen), name="redis-erasures"),
        ]
        return self

    async def __aexit__(self, *failure: object) -> None:
        tasks = [*self._beside, *([self._filling] if self._filling else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._client.__aexit__(*failure)

    @property
    def available(self) -> bool:
        """Whether Redis answered lately."""
        return self._client.available

    def when_erased(self, forget: Forgets) -> None:
        """Have ``forget`` called for every member whom some replica erased."""
        self._erasures.forget = forget

    @property
    def state(self) -> str:
        """``ended`` where what goes on beside does not go on."""
        unfilled = self._filling is not None and self._filling.done() and self._store.filling
        if unfilled or any(task.done() for task in self._beside):
            return "ended"
        if not self.available:
            return "away"
        return "ok" if self._epoch.whole else "stale"

    async def _fill(self) -> None:
        """Take the data in, from the beginning again whatever comes between."""
        while self._store.filling:
            try:
                filled = await self._store.fill(self._contexts)
            except UnavailableError:
                await asyncio.sleep(AGAIN_S)
            else:
                self._log.info("the context store has the data folder", filled=filled)
                self._contexts, self._store.filling = (), False

    async def _keep(self, beside: Callable[[], Awaitable[None]]) -> None:
        """Begin it again whatever ends it: pages and erasures depend on it."""
        while True:
            try:
                await beside()
            except Exception:  # noqa: BLE001 - it is told, and begun again
                self._log.exception("what goes on beside Redis failed", again_s=AGAIN_S)
            await asyncio.sleep(AGAIN_S)
