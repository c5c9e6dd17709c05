"""How long a transfer may take: one that only drips counts as broken."""

import time
from collections.abc import Callable

from rollout.refusal import RefusedError
from rollout.source import TransferError


class Pace:
    """Of one transfer, from its making on. ``least`` are bytes a second, after ``grace_s``."""

    def __init__(
        self,
        wanted: Callable[[], bool],
        grace_s: float,
        least: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = wanted
        self._grace_s = grace_s
        self._least = least
        self._clock = clock
        self._begun = clock()
        self._arrived = 0

    def arrived(self, size: int) -> None:
        """So many bytes more; `TransferError` where they come too slowly."""
        self.require()
        self._arrived += size
        took = self._clock() - self._begun
        if took > self._grace_s and self._arrived < self._least * took:
            raise TransferError(f"{self._arrived} bytes arrived in {took:.0f} s")

    def require(self) -> None:
        """Raise `RefusedError` where nobody wants it any more."""
        if not self._wanted():
            raise RefusedError("superseded", "something newer was announced, or decided, meanwhile")
