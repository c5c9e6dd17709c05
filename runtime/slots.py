"""Which KV slot holds whose tokens, and which slot a new page gets.

Pure bookkeeping: it moves no tensor. A slot is *busy* while a page decodes in it and *free*
otherwise; a free slot keeps its tokens for reuse until they give way to another page. An entry is
reused only under an equal `PrefixKey` and only as far as the tokens agree, so a stale entry, or
one of another member or bundle, cannot be hit, nor felt: how long a page takes depends on what its
own member left, whatever others' prompts say.
"""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from runtime.arrays import IntArray
from runtime.prefix import PrefixKey, common_prefix
from runtime.shown import Shown
from runtime.slot import Allocation, Entry


class Slots:
    """The slots of one backend. One owner; every method but the predicates mutates.

    ``drop`` is told of each slot whose content is to leave memory, ``evicted`` of each time that
    what was kept gave way to another page.
    """

    def __init__(
        self,
        count: int,
        capacity: int,
        *,
        prefix_cache: bool = True,
        token_bytes: int = 1,
        drop: Callable[[int], None] = lambda _slot: None,
        evicted: Callable[[], None] = lambda: None,
    ) -> None:
        self.capacity = capacity
        self._prefix_cache = prefix_cache
        self._token_bytes = token_bytes
        self._drop, self._evicted = drop, evicted
        self._entries = [Entry(np.zeros(capacity, np.int32)) for _ in range(count)]
        # Free slots, the least recently used first; those that hold nothing before all.
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(count))

    @property
    def free(self) -> int:
        """How many slots no page is using."""
        return len(self._free)

    @property
    def live_tokens(self) -> int:
        """Tokens held by busy slots."""
        return sum(entry.held for i, entry in enumerate(self._entries) if i not in self._free)

    @property
    def reusable_tokens(self) -> int:
        """Tokens kept in free slots."""
        return sum(self._entries[slot].held for slot in self._free)

    @property
    def reserved_bytes(self) -> int:
        """What pages under way may need."""
        busy = (entry for slot, entry in enumerate(self._entries) if slot not in self._free)
        return self._token_bytes * sum(max(entry.needs, entry.written) for entry in busy)

    @property
    def kept_bytes(self) -> int:
        """What free slots take."""
        return self._token_bytes * sum(self._entries[slot].written for slot in self._free)

    @property
    def held_bytes(self) -> int:
        """What all slots take at this moment."""
        return self._token_bytes * sum(entry.written for entry in self._entries)

    def can_allocate(self) -> bool:
        """Whether a slot is free."""
        return bool(self._free)

    def allocate(self, key: PrefixKey, tokens: IntArray, needs: int = 0) -> Allocation:
        """Make a slot busy for ``tokens`` (n,), n >= 1, that may become ``needs`` in all.

        The free slot of the same key that shares the longest prefix; else the least recently used
        free slot, whose content is lost. At least the last token counts as not cached, since its
        scores are what comes next.
        """
        if not self._free:
            raise RuntimeError("no slot is free; ask can_allocate first. This is a bug.")
        slot, cached = next(iter(self._free)), 0
        best = -1
        for candidate in self._free:
            entry = self._entries[candidate]
            if entry.key == key:
                shared = common_prefix(entry.tokens[: entry.held], tokens)
                if shared > best:
                    slot, best = candidate, shared
                    cached = min(shared, len(tokens) - 1)
        del self._free[slot]
        entry = self._entries[slot]
        if entry.key not in {key, None}:
            self._evicted()
            self._empty(slot)
        entry.key = key
        entry.held = cached
        entry.needs = min(self.capacity, max(needs, len(tokens)))
        return Allocation(slot, cached, entry.page)

    def record(self, slot: int, start: int, tokens: IntArray) -> None:
        """The slot's KV was written: ``tokens`` behind its first ``start``, nothing after."""
        entry = self._entries[slot]
        end = start + len(tokens)
        if slot in self._free or not start <= entry.held or end > self.capacity:
            raise RuntimeError(
                f"tokens {start} to {end} cannot be written to slot {slot}. This is a bug."
            )
        entry.tokens[start:end] = tokens
        entry.held = end
        entry.written = max(entry.written, end)

    def release(self, slot: int, *, keep: bool = True, page: Shown | None = None) -> None:
        """A page is done with its slot; ``page`` where it came to its end.

        ``keep`` False: its KV may not be relied on.
        """
        if slot in self._free:
            raise RuntimeError(f"slot {slot} is released twice. This is a bug.")
        self._free[slot] = None
        entry = self._entries[slot]
        entry.needs, entry.page = 0, page or entry.page
        if not (keep and self._prefix_cache and entry.key is not None and entry.held):
            self._clear(slot)

    def evict(self) -> bool:
        """Let go of what was kept the longest; False where no free slot holds anything."""
        slot = next((slot for slot in self._free if self._entries[slot].written), None)
        if slot is None:
            return False
        self._evicted()
        self._clear(slot)
        return True

    def forget(self, member: str) -> None:
        """Drop all that is held of a member; of a busy slot when its page ends."""
        for slot, entry in enumerate(self._entries):
            if entry.key is not None and entry.key.member == member:
                entry.key = None
                if slot in self._free:
                    self._clear(slot)

    def check_integrity(self) -> None:
        """Raise where the books contradict themselves."""
        for slot, entry in enumerate(self._entries):
            free = slot in self._free
            if not 0 <= entry.held <= entry.written <= self.capacity:
                raise RuntimeError(f"slot {slot} holds {entry.held} tokens. This is a bug.")
            if free and (entry.key is None) != (entry.held == 0):
                raise RuntimeError(f"free slot {slot} holds nobody's tokens. This is a bug.")
            if free and (entry.needs or (entry.written and not entry.held)):
                raise RuntimeError(f"free slot {slot} takes memory for nothing. This is a bug.")
            if free and entry.held and not self._prefix_cache:
                raise RuntimeError(f"free slot {slot} kept tokens unasked. This is a bug.")

    def _clear(self, slot: int) -> None:
        self._empty(slot)
        # With nothing to lose it is the first to be taken.
        self._free.move_to_end(slot, last=False)

    def _empty(self, slot: int) -> None:
        entry = self._entries[slot]
        entry.key, entry.held, entry.page = None, 0, None
        if entry.written:
            self._drop(slot)
            entry.written = 0
