"""Whether it is the message or the store that is at fault, when applying fails for no known reason.

Found out by trying. A run that fails is halved until the messages stand alone that fail; they are
*refused*, and go to the dead letters, once at least as many others were applied since: then the
store works, and the fault is theirs. Until then they are held and tried again, with whatever
arrives behind them, on this partition or another.

A fault of ours that meets every message must neither fill the dead letters nor stay unsaid. So what
fails all alone is never refused; `MOST_FAILED` messages that fail with none applied are raised,
and so is a refusal beyond `MOST_REFUSED` in `WITHIN_S`: the session ends, and after a few of those
the consumer, loudly.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_FAILED: Final = 10
MOST_REFUSED: Final = 100
WITHIN_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that could not be applied, by its place in the run."""

    index: int
    error: Exception


class Trials:
    """What all partitions of a consumer tell each other. One event loop owns it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # Messages applied so far, and up to which offset of each partition.
        self.applied = 0
        self.reached: dict[tuple[str, int], int] = {}
        self._clock = clock
        self._refused: deque[float] = deque(maxlen=MOST_REFUSED)

    def refuse(self, failed: Failed) -> None:
        """Count a refusal; raises its error where there are too many to be the messages' fault."""
        now = self._clock()
        if len(self._refused) == MOST_REFUSED and now - self._refused[0] < WITHIN_S:
            raise failed.error
        self._refused.append(now)
