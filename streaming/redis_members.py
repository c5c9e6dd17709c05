"""Context and encoded prompt of a member in one round trip."""

from genpage.errors import UnavailableError
from streaming import prompt_value, redis_keys
from streaming.ports import Member
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore


class RedisMembers:
    """`Members` over Redis; while it is away, what was read lately."""

    def __init__(self, client: RedisClient, contexts: RedisContextStore, recent: Recent) -> None:
        self._client = client
        self._contexts = contexts
        self._recent = recent

    async def read(self, user_id: str, vocabulary: str) -> Member:
        """What is known of a member."""
        keys = redis_keys.context(user_id), redis_keys.prompt(user_id, vocabulary)
        erasures = self._recent.erasures
        try:
            held, prompt = await self._client.values(*keys)
        except UnavailableError:
            before = self._recent.get(user_id)
            return Member(None if before is None else before.context, current=False)
        context = await self._contexts.known(user_id, held, erasures=erasures)
        if context is None or prompt is None:
            return Member(context)
        return Member(context, prompt_value.decode(prompt, user_id, vocabulary))
