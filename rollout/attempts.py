"""The attempts that are listed, and what follows from how they ended. Pure."""

from collections.abc import Callable, Iterable
from typing import Final

from rollout.active import Handled
from rollout.announcement import Announcement
from rollout.attempt import Attempt, State

MOST: Final = 50
# An attempt in one of these is of interest to people alone.
_OVER: Final[frozenset[State]] = frozenset({"rejected", "rolled back", "replaced"})


class Attempts:
    """The latest attempts, oldest first. One owner."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.by_id: dict[str, Attempt] = {}
        self._clock = clock

    def add(self, announcement: Announcement) -> Attempt:
        """A new one; what is over and oldest makes room for it."""
        attempt = Attempt(announcement, self._clock())
        self.by_id[attempt.id] = attempt
        over = [a.id for a in self.by_id.values() if a.state in _OVER and not a.coming_again]
        for gone in over[: max(0, len(self.by_id) - MOST)]:
            del self.by_id[gone]
        return attempt

    def twin_of(self, announcement: Announcement) -> Attempt | None:
        """The attempt at the same message, where it came before."""
        return next((a for a in self.by_id.values() if a.is_twin(announcement)), None)

    def those(self, *states: State) -> list[Attempt]:
        """All in one of these states, oldest first."""
        return [attempt for attempt in self.by_id.values() if attempt.state in states]

    def change(self, attempt: Attempt, state: State, why: str | None = None) -> None:
        """It is in another state."""
        attempt.state, attempt.why = state, why
        self.touch(attempt)

    def touch(self, attempt: Attempt) -> None:
        """It changed just now."""
        attempt.at = self._clock()

    def handled(self, before: Handled | None) -> Handled | None:
        """The newest announcement that was dealt with, or ``before`` where that is newer."""
        return _newest(before, (a.announcement for a in self.by_id.values() if a.settled))


def _newest(before: Handled | None, settled: Iterable[Announcement]) -> Handled | None:
    newest = max(settled, key=lambda each: each.created_at, default=None)
    if newest is None or (before is not None and newest.created_at <= before.at):
        return before
    return Handled(newest.created_at, newest.digest)
