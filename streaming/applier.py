"""Applies what was read off the log: to the context store, to the counts, to whoever forgets."""

from collections.abc import Awaitable, Callable

from genpage.event import Event
from genpage.profile import Profile
from streaming.messages import Erasure
from streaming.ports import ContextStore
from streaming.run import Step
from streaming.trending import LiveTrends

# Forgets a member in every store, cache and memory of this server, as of a time (Unix seconds).
Forget = Callable[[str, float | None], Awaitable[None]]
Tell = Callable[[Erasure], Awaitable[None]]


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

    async def apply(self, step: Step, counted: int = 0) -> None:
        """Apply one step; `UnavailableError` while the store is away.

        Those of the run's first ``counted`` messages are in the counts already: a store that lost
        what it had takes them anew, the counts do not.
        """
        if isinstance(step.what, Erasure):
            await self._forget(step.what.user_id, step.what.at)
            if self._tell is not None and not step.what.told:
                await self._tell(step.what)
            return
        events = tuple(each for each in step.what if isinstance(each, Event))
        if events:
            changed = await self._store.apply(events)
            if self._trends is not None and changed:
                pairs = zip(step.what, step.indices, strict=True)
                old = {id(each) for each, index in pairs if index < counted}
                self._trends.add([event for event in changed if id(event) not in old])
        for each in step.what:
            if isinstance(each, Profile):
                await self._store.put_profile(each)
