"""The embedded stores: bounded, in this process, gone with it.

One event loop calls them; no method yields between reading and writing, so each is atomic.
"""

import heapq
from collections.abc import Iterable, Sequence

from cachetools import LRUCache

from genpage.context import HISTORY_LIMIT, Context, apply_event, apply_profile
from genpage.event import Event
from genpage.profile import Profile
from streaming.ports import CachedHistory

MEMBERS = 200_000
PROMPTS = 20_000


class MemoryContextStore:
    """A `ContextStore` and `Directory` of at most ``members``; the least recently used one goes."""

    def __init__(self, *, members: int = MEMBERS, history: int = HISTORY_LIMIT) -> None:
        self._contexts: LRUCache[str, Context] = LRUCache(members)
        self._history = history

    def __len__(self) -> int:
        """How many members are held."""
        return len(self._contexts)

    def load(self, contexts: Iterable[Context]) -> None:
        """Take contexts that were folded elsewhere, in place of what is held of those members."""
        for context in contexts:
            self._contexts[context.user_id] = context

    async def get(self, user_id: str) -> Context | None:
        """What is held of a member, None for one nobody knows."""
        return self._contexts.get(user_id)

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Fold events in, in the order given; those that changed something."""
        changed = []
        for event in events:
            held = self._contexts.get(event.user_id) or Context(event.user_id)
            context = apply_event(held, event, limit=self._history)
            if context is not held:
                changed.append(event)
                self._contexts[event.user_id] = context
        return changed

    async def put_profile(self, profile: Profile) -> None:
        """Fold a profile in."""
        held = self._contexts.get(profile.user_id) or Context(profile.user_id)
        self._contexts[profile.user_id] = apply_profile(held, profile)

    async def erase(self, user_id: str) -> bool:
        """Forget a member; whether there was anything to forget."""
        return self._contexts.pop(user_id, None) is not None

    async def busiest(self, limit: int) -> Sequence[Context]:
        """At most ``limit`` members, those with the most events first, then by id."""
        return heapq.nsmallest(
            limit, self._contexts.values(), key=lambda c: (-c.dropped - len(c.events), c.user_id)
        )


class MemoryPromptCache:
    """A `PromptCache` of at most ``members``; the least recently used one goes."""

    def __init__(self, *, members: int = PROMPTS) -> None:
        self._encoded: LRUCache[str, dict[str, CachedHistory]] = LRUCache(members)

    def __len__(self) -> int:
        """How many members are held."""
        return len(self._encoded)

    async def get(self, user_id: str, vocabulary: str) -> CachedHistory | None:
        """What was encoded last, valid or not."""
        return self._encoded.get(user_id, {}).get(vocabulary)

    async def put(self, user_id: str, vocabulary: str, encoded: CachedHistory) -> None:
        """Remember it; one vocabulary beside the newest is kept, for a rollback."""
        held = {k: v for k, v in self._encoded.get(user_id, {}).items() if k != vocabulary}
        newest = dict(list(held.items())[-1:])
        self._encoded[user_id] = {**newest, vocabulary: encoded}

    async def erase(self, user_id: str) -> None:
        """Forget a member, for every vocabulary."""
        self._encoded.pop(user_id, None)
