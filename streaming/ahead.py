"""Events of a partition whose time lies ahead of when they were written, as a member's clock may.

An erasure carries the time at which it was written, and spares what is newer: so it would spare
such an event that lies before it, and a store that is filled from the log would have it back. All
that lies before an erasure on its partition goes, hence these are remembered until the partition is
past their times. Whoever begins to read between such an event and the erasure does not know of it.
"""

from collections.abc import Mapping
from typing import Final

MOST: Final = 100_000


class Ahead:
    """Mutable; owned by one event loop."""

    def __init__(self, *, most: int = MOST) -> None:
        """Of more than ``most`` members those go first whose events were read first."""
        self._most = most
        self._until: dict[str, float] = {}
        self._look_at = 1_000

    def __len__(self) -> int:
        """How many members are remembered."""
        return len(self._until)

    def get(self, user_id: str, otherwise: float) -> float:
        """Until when an erasure of the member reaches that was written at ``otherwise``."""
        return max(otherwise, self._until.get(user_id, otherwise))

    def add(self, times: Mapping[str, float], written: float) -> None:
        """Remember the members' times (Unix seconds); the partition is read up to ``written``."""
        for user_id, ts in times.items():
            self._until[user_id] = self.get(user_id, ts)
        if len(self._until) >= self._look_at:
            left = [(user_id, ts) for user_id, ts in self._until.items() if ts > written]
            self._until = dict(left[-self._most :])
            # Looked at again when there are twice as many: what that costs does not grow.
            self._look_at = max(1_000, 2 * len(self._until))
