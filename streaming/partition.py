"""The books of one partition: what is in flight, up to where it is done, whether to read on.

Pure. Messages may be finished in any order; only the offset before the first unfinished one may be
committed, so that a restart repeats work and never skips any. Offsets have gaps, where a topic was
compacted or a transaction ended.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Literal

Flow = Literal["pause", "resume"]


class Partition:
    """Mutable; owned by one event loop. At ``high`` messages in flight reading pauses.

    It resumes at ``low``, and does so by bytes too, since messages may be a thousand times larger
    than events are. While `blocked`, as long as the store is away, it is paused anyway.
    """

    def __init__(
        self,
        *,
        high: int = 2_000,
        low: int = 500,
        high_bytes: int = 8 << 20,
        low_bytes: int = 2 << 20,
    ) -> None:
        for least, most in ((low, high), (low_bytes, high_bytes)):
            if not 0 <= least < most:
                raise ValueError(f"0 <= low < high, not {least} and {most}")
        self._high = high
        self._low = low
        self._high_bytes = high_bytes
        self._low_bytes = low_bytes
        # In order, from the first unfinished on; those behind it may be finished already.
        self._taken: deque[int] = deque()
        # With the bytes of each.
        self._unfinished: dict[int, int] = {}
        self._bytes = 0
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

    def take(self, offsets: Sequence[int], sizes: Iterable[int] = repeat(0)) -> None:
        """Begin work on messages, in the order of their offsets, behind all taken before.

        ``sizes`` are their bytes, one for each.
        """
        for offset in offsets:
            if self._next is None:
                self._committed = offset
            elif offset < self._next:
                raise ValueError(f"offset {offset} was taken before. This is a bug.")
            self._taken.append(offset)
            self._next = offset + 1
        taken = dict(zip(offsets, sizes, strict=False))
        self._unfinished.update(taken)
        self._bytes += sum(taken.values())

    def finish(self, offsets: Iterable[int]) -> None:
        """End work on messages that were taken; again is harmless."""
        for offset in offsets:
            self._bytes -= self._unfinished.pop(offset, 0)
        while self._taken and self._taken[0] not in self._unfinished:
            self._taken.popleft()

    def committed(self, offset: int) -> None:
        """The broker holds ``offset``."""
        self._committed = offset

    def flow(self) -> Flow | None:
        """What to do with reading now, None to go on as it is; remembers the answer."""
        if self._paused:
            few = self.in_flight <= self._low and self._bytes <= self._low_bytes
            if not self.blocked and few:
                self._paused = False
                return "resume"
        elif self.blocked or self.in_flight >= self._high or self._bytes >= self._high_bytes:
            self._paused = True
            return "pause"
        return None
