"""What every replica hears of an erasure, whoever did it: its own memories forget the member.

Redis keeps no such message: what came while nobody listened is made up for by forgetting everybody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from redis.exceptions import RedisError
from structlog.typing import FilteringBoundLogger

from genpage.errors import UnavailableError
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import ERASURES

# Forgets a member in what a process remembers beside Redis.
Forgets = Callable[[str], Awaitable[None]]
_WAIT_S: Final = 0.25


class RedisErasures:
    """`listen` runs as a task of its own until it is cancelled."""

    def __init__(self, client: RedisClient, recent: Recent, log: FilteringBoundLogger) -> None:
        self.forget: Forgets | None = None
        self._client = client
        self._recent = recent
        self._log = log

    async def listen(self) -> None:
        """Hear of erasures, again and again while Redis is away."""
        while True:
            try:
                if self._client.available:
                    await self._session()
            except (RedisError, OSError, TimeoutError) as error:
                self._log.info("nothing is heard of erasures", why=str(error))
            await asyncio.sleep(_WAIT_S)

    async def _session(self) -> None:
        async with self._client.channel() as channel:
            await channel.subscribe(ERASURES)
            self._recent.erase_all()
            while self._client.available:
                heard = await channel.get_message(ignore_subscribe_messages=True, timeout=_WAIT_S)
                if heard is not None:
                    await self._heard(heard["data"].decode("utf-8", "replace"))

    async def _heard(self, user_id: str) -> None:
        self._recent.erase(user_id)
        if self.forget is not None:
            try:
                await self.forget(user_id)
            except UnavailableError as error:
                self._log.warning("an erased member is not forgotten", why=str(error))
