"""Some of the members in Redis, for the console: a look at a bounded number of keys, no index."""

from collections.abc import Sequence
from typing import Any, Final

from genpage.context import Context
from streaming import context_value
from streaming.redis_client import Commands, RedisClient
from streaming.redis_context import RedisContextStore

# Keys looked at, and how many of them Redis goes through at a time.
_MOST: Final = 500
_STEP: Final = 250
_BEFORE, _BEHIND = "genpage:{u:", "}:ctx"


class RedisDirectory:
    """A `Directory`: the busiest of the first few hundred members that Redis names."""

    def __init__(self, client: RedisClient, contexts: RedisContextStore) -> None:
        self._client = client
        self._contexts = contexts

    async def busiest(self, limit: int) -> Sequence[Context]:
        """At most ``limit`` members, those with the most events first, then by id."""
        counts = await self._client.call(_counts)
        order = sorted(counts, key=lambda user: (-counts[user], user))[:limit]
        found = [await self._contexts.get(user) for user in order]
        return [context for context in found if context is not None]


async def _counts(redis: Commands) -> dict[str, int]:
    """How many events were ever held of each member."""
    keys: list[str] = []
    async for key in redis.scan_iter(match=f"{_BEFORE}*{_BEHIND}", count=_STEP):
        keys.append(key.decode("utf-8", "replace"))
        if len(keys) == _MOST:
            break
    pipeline: Any = redis.pipeline(transaction=False)  # Any: one server's or a cluster's
    for key in keys:
        pipeline.getrange(key, 0, context_value.HEAD_BYTES - 1)
    heads = await pipeline.execute(raise_on_error=False)
    return {
        key[len(_BEFORE) : -len(_BEHIND)]: context_value.events_of(head)
        for key, head in zip(keys, heads, strict=True)
        if isinstance(head, bytes)
    }
