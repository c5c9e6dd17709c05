"""A context store and a prompt cache that are read one after the other."""

from genpage.errors import UnavailableError
from streaming.ports import ContextStore, Member, PromptCache


class Beside:
    """`Members` over any two stores."""

    def __init__(self, contexts: ContextStore, prompts: PromptCache) -> None:
        self._contexts = contexts
        self._prompts = prompts

    async def read(self, user_id: str, vocabulary: str) -> Member:
        """Nothing where the store is away; a cache that is away costs time alone."""
        try:
            context = await self._contexts.get(user_id)
        except UnavailableError:
            return Member(None, current=False)
        if context is None:
            return Member(None)
        try:
            return Member(context, await self._prompts.get(user_id, vocabulary))
        except UnavailableError:
            return Member(context)
