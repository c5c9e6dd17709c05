"""The contexts read lately: not decoded again while unchanged, served while Redis is away.

A context leaves ten minutes after it was last read from the store, at the next read that finds the
member erased, and as soon as this process hears of the erasure (`streaming.redis_erasures`).
"""

import time
from collections.abc import Callable

from cachetools import TTLCache

from streaming.context_value import Decoded

# Some 700 bytes each.
EVENTS = 200_000
KEPT_S = 600.0


def _size(seen: Decoded) -> int:
    return 1 + len(seen.context.events)


class Recent:
    """Bounded by the events that it holds. One event loop owns it."""

    def __init__(
        self, *, events: int = EVENTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._held: TTLCache[str, Decoded] = TTLCache(events, KEPT_S, clock, _size)
        # Counts erasures: what was read before one is not remembered after it.
        self.erasures = 0

    def get(self, user_id: str) -> Decoded | None:
        """What was read last."""
        return self._held.get(user_id)

    def put(self, seen: Decoded, *, erasures: int) -> None:
        """Remember what was read when there had been so many ``erasures``."""
        if erasures == self.erasures and _size(seen) <= self._held.maxsize:
            self._held[seen.context.user_id] = seen

    def forget(self, user_id: str) -> None:
        """The store has nothing of this member."""
        self._held.pop(user_id, None)

    def erase(self, user_id: str) -> None:
        """Forget a member, reads that are still on their way included."""
        self.erasures += 1
        self.forget(user_id)

    def erase_all(self) -> None:
        """Forget everybody: somebody may have been erased unheard."""
        self.erasures += 1
        self._held.clear()
