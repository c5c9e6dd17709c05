"""The connection to Redis with what goes on beside it for as long as a server runs.

It is filled from a data folder where nothing was ever in it; its epoch is watched; erasures that
other replicas did are heard of.
"""

import asyncio
from collections.abc import Sequence
from typing import Self

from structlog.typing import FilteringBoundLogger

from genpage.context import Context
from genpage.errors import UnavailableError
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore
from streaming.redis_epoch import RedisEpoch
from streaming.redis_erasures import Forgets, RedisErasures


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

    async def __aenter__(self) -> Self:
        """Returns once the store is filled, or at once where it was not empty or is away."""
        await self._client.__aenter__()
        try:
            filled = await self._store.fill(self._contexts)
        except UnavailableError:
            self._log.warning("the context store is away", lost=len(self._contexts))
        else:
            self._log.info("the context store is there", filled=filled)
        self._contexts = ()
        self._beside = [
            asyncio.create_task(self._epoch.watch(), name="redis-epoch"),
            asyncio.create_task(self._erasures.listen(), name="redis-erasures"),
        ]
        return self

    async def __aexit__(self, *failure: object) -> None:
        for task in self._beside:
            task.cancel()
        if self._beside:
            await asyncio.wait(self._beside)
        await self._client.__aexit__(*failure)

    @property
    def available(self) -> bool:
        """Whether Redis answered lately."""
        return self._client.available

    def when_erased(self, forget: Forgets) -> None:
        """Have ``forget`` called for every member whom some replica erased."""
        self._erasures.forget = forget

    @property
    def alive(self) -> bool:
        """Whether what goes on beside goes on."""
        return not any(task.done() for task in self._beside)
