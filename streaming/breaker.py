"""When to stop asking a part that is away, and when to try again."""

import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Closed is the good state. Pure policy.

    ::

        closed --failures in a row--> open --after pause_s--> half-open
           ^                            ^                        |
           |                            +-------- failed --------+
           +------------------------------------- succeeded -----+

    Half-open means that one probe is on its way; whoever `probes` reports how it went. Others keep
    away meanwhile.
    """

    def __init__(
        self, *, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._since: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        """Closed is the good state: what is asked goes through."""
        if self._since is None:
            return "closed"
        return "half-open" if self._probing else "open"

    def probes(self) -> bool:
        """Whether the caller shall try the part now; true for one caller a pause."""
        if self._since is None or self._probing:
            return False
        self._probing = self._clock() - self._since >= self._pause_s
        return self._probing

    def succeeded(self) -> None:
        """The part answered."""
        self._failures, self._since, self._probing = 0, None, False

    def failed(self) -> None:
        """The part did not answer."""
        self._failures += 1
        if self._since is not None or self._failures >= self._limit:
            self._since, self._probing = self._clock(), False
