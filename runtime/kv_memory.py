"""How much KV is held, over all bundles: who may take more, and who gives way.

Pure bookkeeping. Pages under way have what they may need at most reserved from their admission on,
so none is ever cut short or thrown out for memory. What is kept of members whose pages are over
lives in what is left, and gives way to pages the least recently used first: another bundle's before
the one's whose page comes, since that is the one that serves.
"""

from collections.abc import Callable, Iterable
from typing import Protocol


class Holder(Protocol):
    """Who holds KV: the slots of one backend."""

    @property
    def reserved_bytes(self) -> int:
        """What its pages under way may need."""
        ...

    @property
    def kept_bytes(self) -> int:
        """What it keeps beside, for reuse."""
        ...

    def evict(self) -> bool:
        """Let go of what was kept the longest; False where nothing is kept."""
        ...


class KVMemory:
    """A bound in bytes for all ``holders``, which are asked for anew each time."""

    def __init__(self, limit: int, holders: Callable[[], Iterable[Holder]]) -> None:
        self.limit = limit
        # How often what was kept gave way, since the start.
        self.evictions = 0
        self._holders = holders

    def evicted(self) -> None:
        """What a holder kept gave way."""
        self.evictions += 1

    def can_reserve(self, size: int) -> bool:
        """Whether a page that may need so much can begin beside those under way.

        Where none is, it can: a bound too small for one page must not end all pages.
        """
        reserved = sum(holder.reserved_bytes for holder in self._holders())
        return not reserved or reserved + size <= self.limit

    def settle(self, own: Holder) -> None:
        """Have what is kept give way until all is within the bound, ``own`` last."""
        holders = list(self._holders())
        held = sum(holder.reserved_bytes + holder.kept_bytes for holder in holders)
        for holder in sorted(holders, key=lambda each: each is own):
            while held > self.limit:
                before = holder.kept_bytes
                if not holder.evict():
                    break
                held -= before - holder.kept_bytes
