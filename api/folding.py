"""Many events into a context at once: what `apply_event` gives one by one, in linear time.

`apply_event` copies the history and looks through it for each event; a request brings up to 1,000,
and the event loop waits meanwhile.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace

from genpage.context import HISTORY_LIMIT, Context
from genpage.event import Event


def folded(context: Context, events: Iterable[Event], *, limit: int = HISTORY_LIMIT) -> Context:
    """The context after ``events``, in the order given; the same object when none is new."""
    kept, dropped, revision = list(context.events), context.dropped, context.revision
    ids = {event.event_id for event in kept}
    newest = context.updated_at
    for event in events:
        if event.event_id in ids:
            continue
        place = bisect_right(kept, event.ts, key=lambda known: known.ts)
        if place == 0 and len(kept) >= limit:
            continue
        kept.insert(place, event)
        ids.add(event.event_id)
        overflow = max(0, len(kept) - limit)
        ids.difference_update(old.event_id for old in kept[:overflow])
        del kept[:overflow]
        dropped, revision = dropped + overflow, revision + 1
        newest = event.ts if newest is None else max(newest, event.ts)
    if revision == context.revision:
        return context
    return replace(
        context, events=tuple(kept), dropped=dropped, revision=revision, updated_at=newest
    )


def since(before: Context, held: Context) -> Context:
    """``before`` with what reached the store in the meantime: the profile, and newer events.

    A profile that the store no longer has holds on: its limits must not fall within a page.

    A full history has let go of the older ones already; they do not come back.
    """
    full = len(before.events) >= HISTORY_LIMIT
    oldest = before.events[0].ts if full else float("-inf")
    news = (event for event in held.events if event.ts > oldest)
    return folded(replace(before, profile=held.profile or before.profile), news)
