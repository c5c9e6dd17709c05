"""The door: a bounded number of pages at once, and an honest answer for those beyond."""

from collections.abc import Callable
from dataclasses import dataclass

from genpage.errors import OverloadedError, UnavailableError

Release = Callable[[], None]
# Before any page was finished, a guess; seconds.
_FIRST_GUESS_S = 1.0
_WEIGHT = 0.2
_LONGEST_WAIT_S = 60.0


@dataclass(slots=True)
class Admission:
    """Permits for pages being made. ``parallel`` of them are decoded at once, the rest wait."""

    limit: int
    parallel: int
    taken: int = 0
    closed: bool = False
    page_s: float = _FIRST_GUESS_S

    def acquire(self) -> Release:
        """Take a permit; the result gives it back, and does nothing a second time.

        Raises `OverloadedError` when all are taken and `UnavailableError` while draining.
        """
        if self.closed:
            raise UnavailableError("This server is draining; ask another, or again in a moment.")
        if self.taken >= self.limit:
            raise OverloadedError(
                f"All {self.limit} places are taken; try again later.",
                retry_after_s=self.wait_s(),
            )
        self.taken += 1
        held = True

        def release() -> None:
            nonlocal held
            self.taken -= held
            held = False

        return release

    def wait_s(self) -> float:
        """How long until a place is free, by the pages finished lately; seconds."""
        return min(_LONGEST_WAIT_S, self.page_s * max(1.0, self.taken / max(1, self.parallel)))

    def finished(self, seconds: float) -> None:
        """A page took that long to decode."""
        self.page_s += _WEIGHT * (seconds - self.page_s)
