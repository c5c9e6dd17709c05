"""Encoded prompts in Redis."""

import random

from streaming import prompt_value, redis_keys
from streaming.ports import CachedHistory
from streaming.redis_client import RedisClient
from streaming.redis_script import Script, Value

# Good for the rest of its day (see `CachedHistory.anchor`), so hardly longer; a tenth more or less.
KEPT_S = 26 * 3_600
JITTER = 0.1


class RedisPromptCache:
    """A `PromptCache`. `RedisContextStore.erase` takes its values along."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._put = Script.named("prompt")
        self._erase = Script.named("unprompt")

    async def get(self, user_id: str, vocabulary: str) -> CachedHistory | None:
        """What was encoded last, valid or not."""
        key = redis_keys.prompt(user_id, vocabulary)
        value = (await self._client.values(key))[0]
        return None if value is None else prompt_value.decode(value, user_id, vocabulary)

    async def put(self, user_id: str, vocabulary: str, encoded: CachedHistory) -> None:
        """Remember it; one vocabulary beside the newest is kept, for a rollback."""
        keys = [
            redis_keys.prompt(user_id, vocabulary),
            redis_keys.prompts(user_id),
            redis_keys.erased(user_id),
        ]
        arguments: list[Value] = [
            vocabulary,
            prompt_value.encode(user_id, vocabulary, encoded),
            round(KEPT_S * random.uniform(1 - JITTER, 1 + JITTER)),
            encoded.context_version,
            redis_keys.prompt(user_id, ""),
        ]
        await self._client.call(lambda redis: self._put.run(redis, keys, arguments))

    async def erase(self, user_id: str) -> None:
        """Forget a member, for every vocabulary."""
        keys = [redis_keys.prompts(user_id)]
        prefix = redis_keys.prompt(user_id, "")
        await self._client.call(lambda redis: self._erase.run(redis, keys, [prefix]))
