"""Which announcement counts: the newest wins, whatever way they come in. Pure."""

from typing import Final

from rollout.active import Handled
from rollout.announcement import Announcement
from rollout.refusal import RefusedError

# An announcement further ahead has a wrong clock, and would hide all that follow. Seconds.
AHEAD_S: Final = 300.0
# What sets two announcements apart: exact in a float of Unix seconds.
LATER_S: Final = 0.001


class Orders:
    """What was announced so far. One owner."""

    def __init__(self, handled: Handled | None = None) -> None:
        self._handled = handled
        self._newest = -1.0 if handled is None else handled.at

    def repeats(self, announcement: Announcement) -> bool:
        """Whether it was dealt with before this replica started."""
        handled = self._handled
        return (
            handled is not None
            and announcement.created_at == handled.at
            and announcement.digest in {handled.digest, None}
        )

    def is_older(self, announcement: Announcement) -> bool:
        """Whether something newer was announced before."""
        return announcement.created_at < self._newest

    def after(self, now: float) -> float:
        """A moment for the next: ``now``, or just behind the newest of a clock that goes ahead."""
        return max(now, self._newest + LATER_S)

    def take(self, announcement: Announcement, now: float) -> None:
        """It is the newest from now on; `RefusedError` where it cannot be."""
        if announcement.created_at > now + AHEAD_S:
            raise RefusedError(
                "out-of-order",
                "created_at lies more than 5 minutes ahead; it is Unix seconds, set by a clock "
                "that is right",
            )
        if self.is_older(announcement):
            raise RefusedError(
                "out-of-order",
                "something newer was announced before; announce this bundle anew to go back to it",
            )
        self._newest = announcement.created_at
