"""The contexts read lately: not decoded again while unchanged, served while Redis is away.

A context leaves ten minutes after it was last read from the store, so that what was erased through
another server is not kept for long.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from genpage.context import Context

# Some 500 bytes each.
EVENTS = 200_000
KEPT_S = 600.0


@dataclass(frozen=True, slots=True)
class _Seen:
    header: bytes
    context: Context


def _size(seen: _Seen) -> int:
    return 1 + len(seen.context.events)


class Recent:
    """Bounded by the events that it holds. One event loop owns it."""

    def __init__(
        self, *, events: int = EVENTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._held: TTLCache[str, _Seen] = TTLCache(events, KEPT_S, clock, _size)
        # Counts erasures: what was read before one is not remembered after it.
        self.erasures = 0

    def get(self, user_id: str) -> Context | None:
        """What was read last."""
        seen = self._held.get(user_id)
        return None if seen is None else seen.context

    def unchanged(self, user_id: str, header: bytes) -> Context | None:
        """The context, where what was read last began with this line."""
        seen = self._held.get(user_id)
        return seen.context if seen is not None and seen.header == header else None

    def put(self, header: bytes, context: Context, *, erasures: int) -> None:
        """Remember what was read when there had been so many ``erasures``."""
        seen = _Seen(header, context)
        if erasures == self.erasures and _size(seen) <= self._held.maxsize:
            self._held[context.user_id] = seen

    def forget(self, user_id: str) -> None:
        """The store has nothing of this member."""
        self._held.pop(user_id, None)

    def erase(self, user_id: str) -> None:
        """Forget a member, reads that are still on their way included."""
        self.erasures += 1
        self.forget(user_id)
