"""What is known of one member: profile and bounded history, as an immutable value.

The fold `apply_event` is the one definition of what an event changes; every store (in memory,
Redis) must agree with it.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace

from genpage.event import Event
from genpage.profile import Profile

# The newest events that a store keeps of a member.
HISTORY_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Context:
    """A member's context.

    ``events`` stand oldest first by (ts, order of arrival). ``dropped`` counts the older events
    that the bound let go, so that an event keeps its absolute number ``dropped + index`` and a
    prompt that drops history in blocks stays a stable prefix. ``version`` changes exactly when an
    event or a profile change is applied. ``updated_at`` is the time (Unix seconds) of the newest
    applied change, None when there was none.
    """

    user_id: str
    profile: Profile | None = None
    events: tuple[Event, ...] = ()
    dropped: int = 0
    revision: int = 0
    updated_at: float | None = None

    @property
    def known(self) -> bool:
        """Whether anything was ever learnt of this member."""
        return self.revision > 0

    @property
    def version(self) -> str:
        """Changes exactly when an event or a profile change is applied."""
        return str(self.revision)

    def before(self, at: float) -> "Context":
        """The context as a request at time ``at`` may see it: later events are hidden."""
        if not self.events or self.events[-1].ts <= at:
            return self
        visible = bisect_right(self.events, at, key=lambda event: event.ts)
        return replace(self, events=self.events[:visible])


def apply_event(context: Context, event: Event, *, limit: int = HISTORY_LIMIT) -> Context:
    """The context after ``event``; the same object when its id was seen or it is too old to keep.

    Exactly once by event id within the kept history. A late event takes its place by time; one
    older than everything kept in a full history changes nothing.
    """
    if any(known.event_id == event.event_id for known in reversed(context.events)):
        return context
    events = context.events
    place = bisect_right(events, event.ts, key=lambda known: known.ts)
    if place == 0 and len(events) >= limit:
        return context
    events = (*events[:place], event, *events[place:])
    overflow = max(0, len(events) - limit)
    newest = event.ts if context.updated_at is None else max(context.updated_at, event.ts)
    return replace(
        context,
        events=events[overflow:],
        dropped=context.dropped + overflow,
        revision=context.revision + 1,
        updated_at=newest,
    )


def apply_profile(context: Context, profile: Profile) -> Context:
    """The context with ``profile``; the same object when what is held is as new or equal."""
    held = context.profile
    if held is not None and (profile.ts < held.ts or profile == held):
        return context
    newest = profile.ts if context.updated_at is None else max(context.updated_at, profile.ts)
    return replace(context, profile=profile, revision=context.revision + 1, updated_at=newest)


def forget(context: Context, until: float) -> Context | None:
    """The context without what happened by ``until`` (Unix seconds); None where nothing is left.

    The same object where everything in it is newer.
    """
    kept = context.events[bisect_right(context.events, until, key=lambda event: event.ts) :]
    profile = context.profile
    if profile is not None and profile.ts <= until:
        profile = None
    if len(kept) == len(context.events) and profile is context.profile:
        return context if kept or profile is not None else None
    if not kept and profile is None:
        return None
    revision = context.revision + 1
    return replace(context, profile=profile, events=kept, dropped=0, revision=revision)
