"""The books of one partition: what is in flight, up to where it is done, whether to read on.

Pure. Messages may be finished in any order; only the offset before the first unfinished one may be
committed, so that a restart repeats work and never skips any. Offsets have gaps, where a topic was
compacted or a transaction ended.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

Flow = Literal["pause", "resume"]


class Partition:
    """Mutable; owned by one event loop. At ``high`` messages in flight reading pauses.

    It resumes at ``low``. While `blocked`, as long as the store is away, it is paused anyway.
    """

    def __init__(self, *, high: int = 2_000, low: int = 500) -> None:
        if not 0 <= low < high:
            raise ValueError(f"0 <= low < high, not {low} and {high}")
        self._high = high
        self._low = low
        # In order, from the first unfinished on; those behind it may be finished already.
        self._taken: deque[int] = deque()
        self._unfinished: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None
        self._paused = False
        self.blocked = False

    @property
    def in_flight(self) -> int:
        """Messages taken and not finished."""
        return len(self._unfinished)

    @property
    def position(self) -> int | None:
        """All before this offset is finished; None where nothing was taken yet."""
        return self._taken[0] if self._taken else self._next

    @property
    def committable(self) -> int | None:
        """The offset to commit, None where that is committed already."""
        position = self.position
        return None if position == self._committed else position

    def take(self, offsets: Sequence[int]) -> None:
        """Begin work on messages, in the order of their offsets, behind all taken before."""
        for offset in offsets:
            if self._next is None:
                self._committed = offset
            elif offset < self._next:
                raise ValueError(f"offset {offset} was taken before. This is a bug.")
            self._taken.append(offset)
            self._next = offset + 1
        self._unfinished.update(offsets)

    def finish(self, offsets: Iterable[int]) -> None:
        """End work on messages that were taken; again is harmless."""
        self._unfinished.difference_update(offsets)
        while self._taken and self._taken[0] not in self._unfinished:
            self._taken.popleft()

    def committed(self, offset: int) -> None:
        """The broker holds ``offset``."""
        self._committed = offset

    def flow(self) -> Flow | None:
        """What to do with reading now, None to go on as it is; remembers the answer."""
        if self._paused:
            if not self.blocked and self.in_flight <= self._low:
                self._paused = False
                return "resume"
        elif self.blocked or self.in_flight >= self._high:
            self._paused = True
            return "pause"
        return None
