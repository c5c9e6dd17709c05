"""Who decodes, who waits, and what each step feeds the trunk.

Pure policy over `LiveJob`s and `Slots`; it runs nothing. What it promises:

1. Admission goes by when pages are due: at their deadline, but no later than ``patience_s`` after
   they came. Pages without one are served as they come, and who waits is overtaken only by what
   came within that time. Whoever does not fit (a slot, and the KV that the page may need at most)
   is waited for, so that small pages do not starve a large one; only pages of another backend (a
   bundle being swapped in) go past it. What was admitted is never thrown out again.
2. Every page that is decoding advances in every step.
3. Prompts are prefilled beside them in chunks, together at most ``prefill_tokens`` a step, the
   earliest admitted first: a long prompt delays live rows by one step's budget and no more, and
   since a later page only takes what earlier ones leave, no prompt waits for ever. What all of them
   leave may be drafted behind those that end.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary, ref

from genpage.errors import ConflictError, OverloadedError
from runtime.backend import Backend
from runtime.chunk import Chunk
from runtime.decoder import UNBOUNDED
from runtime.kv_memory import KVMemory
from runtime.limits import Limits
from runtime.live import LiveJob
from runtime.slots import Slots


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One page's part of a step."""

    page: LiveJob
    chunk: Chunk


class Scheduler:
    """The pages in the engine's hands. One owner."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Both in order of arrival, by page id.
        self._waiting: OrderedDict[str, LiveJob] = OrderedDict()
        self._live: OrderedDict[str, LiveJob] = OrderedDict()
        # A bundle that is swapped out takes its books along once nobody holds its backend.
        self._slots = WeakKeyDictionary[Backend, Slots]()
        self.memory = KVMemory(limits.kv_bytes, self._slots.values)

    @property
    def waiting(self) -> int:
        """Pages without a slot."""
        return len(self._waiting)

    @property
    def live(self) -> int:
        """Pages with a slot."""
        return len(self._live)

    def pages(self) -> list[LiveJob]:
        """All pages, the live ones first."""
        return [*self._live.values(), *self._waiting.values()]

    def slots(self) -> Iterator[Slots]:
        """The bookkeeping of every backend in use."""
        return iter(self._slots.values())

    def find(self, page_id: str) -> LiveJob | None:
        """The page of this id, None where there is none."""
        return self._live.get(page_id) or self._waiting.get(page_id)

    def can_submit(self) -> bool:
        """Whether one more page may come."""
        return len(self._live) + len(self._waiting) < self._limits.pages

    def submit(self, page: LiveJob) -> None:
        """Let a page wait for a slot; `OverloadedError` when full, `ConflictError` for a twin."""
        page_id = page.job.page_id
        if self.find(page_id) is not None:
            raise ConflictError(f"page {page_id} is being generated already.")
        if not self.can_submit():
            raise OverloadedError(
                f"{self._limits.pages} pages are being generated or waiting; try again later."
            )
        self._waiting[page_id] = page

    def expired(self, now: float) -> list[LiveJob]:
        """The pages, live or waiting, whose deadline has come. Changes nothing."""
        return [page for page in self.pages() if page.expired(now)]

    def admit(self, now: float) -> list[LiveJob]:
        """Give free slots to waiting pages, in the order in which they are due; returns those."""
        admitted: list[LiveJob] = []
        full: list[Slots] = []
        patience = self._limits.patience_s
        for page in sorted(self._waiting.values(), key=lambda each: each.due(patience)):
            if len(self._live) >= self._limits.batch:
                break
            slots = self._slots_of(page)
            if slots in full:
                continue
            if not self._can_admit(page, slots):
                full.append(slots)
                continue
            allocation = slots.allocate(page.job.key, page.decoder.pending, page.needs)
            self.memory.settle(slots)
            page.slot, page.cached, page.admitted = allocation.slot, allocation.cached, now
            page.decoder.resume(allocation.cached, allocation.page)
            del self._waiting[page.job.page_id]
            self._live[page.job.page_id] = page
            admitted.append(page)
        return admitted

    def schedule(self) -> list[Work]:
        """What the next step runs: a chunk of every decoding page, and prompts within budget."""
        live = self._live.values()
        work = [self._work(page) for page in live if page.decoding]
        budget = self._limits.prefill_tokens if work else self._limits.prefill_tokens_alone
        prompts: list[tuple[LiveJob, int]] = []
        for page in live:
            if not page.decoding and budget:
                prompts.append((page, min(budget, len(page.decoder.pending))))
                budget -= prompts[-1][1]
        for page, tokens in prompts:  # first drafts take what prompts leave
            work.append(self._work(page, tokens, budget))
            budget -= len(work[-1].chunk.tokens) - tokens
        return work

    def record(self, work: Work) -> None:
        """The work's chunk is in its slot's KV."""
        self._slots_of(work.page).record(work.chunk.slot, work.chunk.start, work.chunk.tokens)

    def remove(self, page: LiveJob, *, keep: bool = True) -> None:
        """A page has ended. ``keep`` False: its slot's KV may not be relied on."""
        if page.slot is None:
            del self._waiting[page.job.page_id]
            return
        del self._live[page.job.page_id]
        slots = self._slots_of(page)
        slots.release(page.slot, keep=keep, page=page.decoder.shown)
        self.memory.settle(slots)
        page.slot = None

    def forget(self, member: str) -> None:
        """Drop what the slots hold of a member."""
        for slots in self._slots.values():
            slots.forget(member)

    def check_integrity(self) -> None:
        """Raise where pages and slots contradict each other."""
        for backend, slots in self._slots.items():
            slots.check_integrity()
            users = [p.slot for p in self._live.values() if p.job.model.backend is backend]
            busy = backend.slots - slots.free
            if None in users or len(set(users)) < len(users) or len(users) != busy:
                raise RuntimeError(f"pages sit in slots {users}, {busy} are busy. This is a bug.")
        if any(page.slot is not None for page in self._waiting.values()):
            raise RuntimeError("a waiting page has a slot. This is a bug.")

    def _can_admit(self, page: LiveJob, slots: Slots) -> bool:
        needed = page.needs * page.job.model.backend.token_bytes
        return slots.can_allocate() and self.memory.can_reserve(needed)

    def _work(self, page: LiveJob, limit: int = UNBOUNDED, spare: int = UNBOUNDED) -> Work:
        assert page.slot is not None
        return Work(page, page.decoder.chunk(page.slot, limit, spare))

    def _slots_of(self, page: LiveJob) -> Slots:
        backend = page.job.model.backend
        slots = self._slots.get(backend)
        if slots is None:
            slots = Slots(
                backend.slots,
                backend.capacity,
                prefix_cache=self._limits.prefix_cache,
                token_bytes=backend.token_bytes,
                # Weakly: a bundle that is swapped out goes once nobody else holds it.
                drop=_dropping(ref(backend)),
                evicted=self.memory.evicted,
            )
            self._slots[backend] = slots
        return slots


def _dropping(backend: "ref[Backend]") -> Callable[[int], None]:
    def drop(slot: int) -> None:
        held = backend()
        if held is not None:
            held.drop(slot)

    return drop
