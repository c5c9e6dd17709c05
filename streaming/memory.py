"""The embedded stores: bounded, in this process, gone with it.

One event loop calls them; no method yields between reading and writing, so each is atomic.
"""

import heapq
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from cachetools import LRUCache

from genpage.context import HISTORY_LIMIT, Context, apply_event, apply_profile, forget
from genpage.event import Event
from genpage.profile import Profile
from streaming import event_tokens
from streaming.ports import CachedHistory, Vocabularies, no_vocabularies

MEMBERS = 200_000
# Some 450 bytes each.
PROFILES = 1_000_000
PROMPTS = 20_000
ERASED = 1_000_000


class MemoryContextStore:
    """A `ContextStore` and `Directory` of at most ``members`` histories and ``profiles`` beside.

    Of either the least recently used one goes. A member whose history goes keeps the profile, since
    a kid's limits must not fall with it; events of members that nobody knows drive no profile out.
    """

    def __init__(
        self,
        *,
        members: int = MEMBERS,
        profiles: int = PROFILES,
        history: int = HISTORY_LIMIT,
        prompts: "MemoryPromptCache | None" = None,
        vocabularies: Vocabularies = no_vocabularies,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``prompts`` are kept up for ``vocabularies`` as events come."""
        # Members with events, and what is left of those whose events went: the profile.
        self._members: LRUCache[str, Context] = LRUCache(members)
        self._profiles: LRUCache[str, Context] = LRUCache(profiles)
        self._history = history
        self._prompts = prompts
        self._vocabularies = vocabularies
        self._clock = clock
        # Until when members were erased, Unix seconds.
        self._erased: LRUCache[str, float] = LRUCache(ERASED)
        # The highest revision that was let go: whoever comes back goes on from there, so that no
        # version stands for two histories of one member.
        self._revision = 0

    def __len__(self) -> int:
        """How many members are held."""
        return len(self._members) + len(self._profiles)

    @property
    def histories(self) -> int:
        """How many members are held with events."""
        return len(self._members)

    def load(self, contexts: Iterable[Context]) -> None:
        """Take contexts that were folded elsewhere, in place of what is held of those members."""
        for context in contexts:
            self._hold(context)

    def held(self) -> Sequence[Context]:
        """Everybody who is held."""
        return [*self._members.values(), *self._profiles.values()]

    async def get(self, user_id: str) -> Context | None:
        """What is held of a member, None for one nobody knows."""
        held = self._members.get(user_id)
        return self._profiles.get(user_id) if held is None else held

    async def apply(self, events: Sequence[Event]) -> Sequence[Event]:
        """Fold events in, in the order given; those that changed something."""
        changed = []
        vocabularies = {} if self._prompts is None else self._vocabularies()
        for event in events:
            if event.ts <= self._erased.get(event.user_id, -math.inf):
                continue
            held = await self.get(event.user_id) or self._newcomer(event.user_id)
            context = apply_event(held, event, limit=self._history)
            if context is not held:
                changed.append(event)
                self._hold(context)
                if self._prompts is not None:
                    self._prompts.keep_up(held, context, event, vocabularies)
        return changed

    async def put_profile(self, *profiles: Profile) -> None:
        """Fold profiles in, in the order given."""
        for profile in profiles:
            if profile.ts <= self._erased.get(profile.user_id, -math.inf):
                continue
            held = await self.get(profile.user_id) or self._newcomer(profile.user_id)
            context = apply_profile(held, profile)
            self._hold(context)
            if self._prompts is not None and context is not held:
                self._prompts.rename(held, context)

    async def erase(self, user_id: str, at: float | None = None) -> bool:
        """Forget a member; whether there was anything to forget."""
        held = await self.get(user_id)
        until = self._clock() if at is None else at
        if at is None and held is not None and held.updated_at is not None:
            until = max(until, held.updated_at)
        self._erased[user_id] = max(until, self._erased.get(user_id, -math.inf))
        left = None if held is None else forget(held, until)
        if held is left:
            return False
        self._members.pop(user_id, None)
        self._profiles.pop(user_id, None)
        if self._prompts is not None:
            self._prompts.forget(user_id)
        if left is not None:
            self._hold(left)
        elif held is not None:
            self._let_go(held)
        return True

    async def busiest(self, limit: int) -> Sequence[Context]:
        """At most ``limit`` members, those with the most events first, then by id."""
        return heapq.nsmallest(
            limit, self.held(), key=lambda c: (-c.dropped - len(c.events), c.user_id)
        )

    def _newcomer(self, user_id: str) -> Context:
        return Context(user_id, revision=self._revision)

    def _hold(self, context: Context) -> None:
        user_id = context.user_id
        if not context.events:
            self._members.pop(user_id, None)
            self._hold_profile(context)
            return
        self._profiles.pop(user_id, None)
        if user_id not in self._members and len(self._members) >= self._members.maxsize:
            _, oldest = self._members.popitem()
            if oldest.profile is None:
                self._let_go(oldest)
            else:
                dropped = oldest.dropped + len(oldest.events)
                self._hold_profile(replace(oldest, events=(), dropped=dropped))
        self._members[user_id] = context

    def _hold_profile(self, context: Context) -> None:
        if context.user_id not in self._profiles and len(self._profiles) >= self._profiles.maxsize:
            self._let_go(self._profiles.popitem()[1])
        self._profiles[context.user_id] = context

    def _let_go(self, *contexts: Context) -> None:
        self._revision = max([self._revision, *(context.revision for context in contexts)])


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
        self.forget(user_id)

    def forget(self, user_id: str) -> None:
        """Forget a member, for every vocabulary."""
        self._encoded.pop(user_id, None)

    def keep_up(
        self,
        before: Context,
        after: Context,
        event: Event,
        vocabularies: Mapping[str, Mapping[str, int]],
    ) -> None:
        """Append an event to what is encoded of ``before``, where that comes to ``after``'s."""
        encoded = self._encoded.get(after.user_id)
        if encoded is None:
            return
        for vocabulary, entities in vocabularies.items():
            held = encoded.get(vocabulary)
            made = held and event_tokens.extended(held, before, after, event, entities)
            if made:
                encoded[vocabulary] = made

    def rename(self, before: Context, after: Context) -> None:
        """What is encoded of ``before`` is ``after``'s as well: only the profile changed."""
        encoded = self._encoded.get(after.user_id, {})
        for vocabulary, held in encoded.items():
            if held.context_version == before.version:
                encoded[vocabulary] = replace(held, context_version=after.version)
