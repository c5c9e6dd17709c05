"""Applies what was read off the log: to the context store, to the counts, to whoever forgets."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from genpage.event import Event
from genpage.profile import Profile
from streaming.messages import Erasure
from streaming.ports import ContextStore
from streaming.run import Step
from streaming.trending import LiveTrends

# Forgets a member in every store, cache and memory of this server, as of a time (Unix seconds).
Forget = Callable[[str, float | None], Awaitable[None]]
Tell = Callable[[Erasure], Awaitable[None]]
# Members who are forgotten at once: partitions do so beside each other, too.
_TOGETHER: Final = 8


class Applier:
    """May be asked for a step again: every store knows what it has applied."""

    def __init__(
        self,
        store: ContextStore,
        trends: LiveTrends | None,
        forget: Forget,
        tell: Tell | None = None,
    ) -> None:
        """``tell`` has all replicas hear of an erasure that they do not read of."""
        self._tell = tell
        self._store = store
        self._trends = trends
        self._forget = forget

    async def apply(self, step: Step, counted: int = 0, erased: set[int] | None = None) -> None:
        """Apply one step; `UnavailableError` while the store is away.

        Those of the run's first ``counted`` messages are in the counts already: a store that lost
        what it had takes them anew, the counts do not. ``erased`` are those of the run whose
        erasure is done and told, and grows: the same step, or half of it, asked for again goes on.
        """
        events = tuple(each for each in step.what if isinstance(each, Event))
        if events:
            changed = await self._store.apply(events)
            if self._trends is not None and changed:
                pairs = zip(step.what, step.indices, strict=True)
                old = {id(each) for each, index in pairs if index < counted}
                self._trends.add([event for event in changed if id(event) not in old])
        profiles = [each for each in step.what if isinstance(each, Profile)]
        if profiles:
            await self._store.put_profile(*profiles)
        await self._erase(step, set() if erased is None else erased)

    async def _erase(self, step: Step, erased: set[int]) -> None:
        """Some members at a time, each one's in order.

        All of these have ended when an error is raised, and none was begun of those behind them.
        """
        members: dict[str, list[tuple[int, Erasure]]] = {}
        for index, each in zip(step.indices, step.what, strict=True):
            if isinstance(each, Erasure) and index not in erased:
                members.setdefault(each.user_id, []).append((index, each))
        every = list(members.values())
        for first in range(0, len(every), _TOGETHER):
            some = [self._erase_one(member, erased) for member in every[first : first + _TOGETHER]]
            for failure in await asyncio.gather(*some, return_exceptions=True):
                if failure is not None:
                    raise failure

    async def _erase_one(self, erasures: Sequence[tuple[int, Erasure]], erased: set[int]) -> None:
        for index, erasure in erasures:
            await self._forget(erasure.user_id, erasure.at)
            if self._tell is not None and not erasure.told:
                await self._tell(erasure)
            erased.add(index)
