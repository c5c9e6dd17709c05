"""Context and encoded prompt of a member in one round trip."""

from collections.abc import Callable

from genpage.errors import UnavailableError
from streaming import prompt_value, redis_keys
from streaming.ports import Member
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore


class RedisMembers:
    """`Members` over Redis; while it is away or has lost a member, what was read lately."""

    def __init__(
        self,
        client: RedisClient,
        contexts: RedisContextStore,
        recent: Recent,
        *,
        whole: Callable[[], bool] = lambda: True,
    ) -> None:
        """``whole`` says whether the store has what it should have, or is filled again."""
        self._client = client
        self._contexts = contexts
        self._recent = recent
        self._whole = whole

    async def read(self, user_id: str, vocabulary: str) -> Member:
        """What is known of a member."""
        keys = redis_keys.context(user_id), redis_keys.prompt(user_id, vocabulary)
        erasures = self._recent.erasures
        try:
            held, prompt = await self._client.values(*keys)
        except UnavailableError:
            return self._before(user_id)
        whole = self._whole()
        if held is None and not whole:
            return self._before(user_id)
        context = await self._contexts.known(user_id, held, erasures=erasures)
        encoded = None
        if context is not None and prompt is not None:
            encoded = prompt_value.decode(prompt, user_id, vocabulary)
        return Member(context, encoded, current=whole)

    def _before(self, user_id: str) -> Member:
        before = self._recent.get(user_id)
        return Member(None if before is None else before.context, current=False)
