"""The connection to Redis, which is filled from a data folder where nothing was ever in it."""

from collections.abc import Sequence
from typing import Self

from structlog.typing import FilteringBoundLogger

from genpage.context import Context
from genpage.errors import UnavailableError
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore


class FilledRedis:
    """Holds a `RedisClient` open; an async context manager."""

    def __init__(
        self,
        client: RedisClient,
        store: RedisContextStore,
        contexts: Sequence[Context],
        log: FilteringBoundLogger,
    ) -> None:
        self._client = client
        self._store = store
        self._contexts = contexts
        self._log = log

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
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._client.__aexit__(*failure)

    @property
    def available(self) -> bool:
        """Whether Redis answered lately."""
        return self._client.available
