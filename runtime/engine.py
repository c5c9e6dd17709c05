"""The engine: one `step` schedules, runs the trunk and head, and decides by their scores.

Pure but for the backend and head that jobs bring along: it knows no thread, no asyncio and no
clock of its own. One owner calls it; `runtime.worker` is that owner when serving.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from genpage.errors import GenPageError, InputError, UnavailableError
from genpage.page import FinishReason
from runtime.arrays import FloatArray
from runtime.decoder import Decoder
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.live import LiveJob
from runtime.output import Output
from runtime.pace import Pace
from runtime.scheduler import Scheduler, Work

# Monotonic seconds.
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Stats:
    """The engine's books at one moment; sums over the backends in use.

    ``live_tokens`` are held for pages being decoded, ``reusable_tokens`` kept in free slots.
    ``steps`` and ``fed_tokens`` (run through the trunk) count from the engine's start.
    """

    live: int
    waiting: int
    free_slots: int
    live_tokens: int
    reusable_tokens: int
    steps: int
    fed_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """A page whose sequence is fed, with the hidden states (n, width) behind its last tokens."""

    page: LiveJob
    hidden: FloatArray


class Engine:
    """Pages in, rows out. Every method but `holds`, `stats` and `check_integrity` mutates."""

    def __init__(self, limits: Limits | None = None, *, clock: Clock = time.monotonic) -> None:
        self.limits = limits or Limits()
        self.clock = clock
        self._scheduler = Scheduler(self.limits)
        self._pace = Pace(clock) if self.limits.speculation else None
        # What was decided between steps, told by the next one.
        self._outputs: list[Output] = []
        self._steps = 0
        self._fed_tokens = 0
        self._modelled = 0.0  # seconds that trunk and head took in the step that is going on

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._outputs or self._scheduler.live or self._scheduler.waiting)

    def submit(self, job: PageJob, *, submitted: float | None = None) -> None:
        """Take a page on. ``submitted`` is when it came, where that was before now.

        Raises `OverloadedError` when full and `ConflictError` when a page of this id is in hand.
        All else that may be wrong with a page is told by `step`.
        """
        now = self.clock()
        try:
            decoder = Decoder(job, self._pace)
        except Exception as error:
            raise GenPageError(f"page {job.page_id} cannot be begun. This is a bug.") from error
        page = LiveJob(job, decoder, now if submitted is None else submitted)
        self._scheduler.submit(page)
        if page.decoder.reason is not None:
            self._finish(page, page.decoder.reason, now)
        else:
            self._refuse_overlong(page)

    def holds(self, job: PageJob) -> bool:
        """Whether this very job is in hand, not another of its page id."""
        page = self._scheduler.find(job.page_id)
        return page is not None and page.job is job

    def cancel(self, page_id: str, reason: FinishReason = "cancelled") -> bool:
        """End a page now and free its slot; the next step says so. False: no such page."""
        page = self._scheduler.find(page_id)
        if page is None:
            return False
        self._finish(page, reason, self.clock())
        return True

    def cancel_all(self, reason: FinishReason) -> None:
        """End every page now; the next step says so."""
        now = self.clock()
        for page in self._scheduler.pages():
            self._finish(page, reason, now)

    def forget(self, member: str) -> None:
        """Drop the KV kept of a member; what a live page of theirs uses goes with that page."""
        self._scheduler.forget(member)

    def step(self) -> list[Output]:
        """Advance every live page by one pass; what there is to say, in the order it happened."""
        now = self.clock()
        for page in self._scheduler.expired(now):
            self._finish(page, "deadline", now)
        self._scheduler.admit(now)
        work = self._scheduler.schedule()
        self._modelled = 0.0
        self._postprocess(self._run(work))
        self._steps += 1
        if self._pace is not None and len(work) == 1 and work[0].page.passes:
            self._pace.passed(len(work[0].chunk.tokens), self._modelled)
        outputs, self._outputs = self._outputs, []
        return outputs

    def stats(self) -> Stats:
        """The books."""
        slots = list(self._scheduler.slots())
        return Stats(
            live=self._scheduler.live,
            waiting=self._scheduler.waiting,
            free_slots=sum(each.free for each in slots),
            live_tokens=sum(each.live_tokens for each in slots),
            reusable_tokens=sum(each.reusable_tokens for each in slots),
            steps=self._steps,
            fed_tokens=self._fed_tokens,
        )

    def check_integrity(self) -> None:
        """Raise where the books contradict themselves. This is a bug then."""
        self._scheduler.check_integrity()

    def _run(self, work: list[Work]) -> list[_Scored]:
        """Feed the trunks, one call each; the pages whose next decision can be taken."""
        shares = _grouped(work, lambda item: item.page.job.model.backend)
        return [scored for share in shares for scored in self._forward(share)]

    def _forward(self, share: list[Work]) -> list[_Scored]:
        backend = share[0].page.job.model.backend
        began = self.clock()
        try:
            states = backend.forward([item.chunk for item in share])
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            if len(share) > 1:
                # A chunk may be run again; alone, each page shows whether it is the cause.
                return [scored for item in share for scored in self._forward([item])]
            self._fail(share[0].page, _typed(error, _model_failed()))
            return []
        self._modelled += self.clock() - began
        scored = []
        for item, hidden in zip(share, states, strict=True):
            page = item.page
            self._scheduler.record(item)
            self._fed_tokens += len(item.chunk.tokens)
            page.passes += page.decoding
            if page.decoder.fed(item.chunk):
                # A copy: the backend's array is good until its next call only.
                scored.append(_Scored(page, hidden.copy()))
        return scored

    def _postprocess(self, scored: list[_Scored]) -> None:
        """Score, one call for all pages that share a head, and let each page decide."""
        for share in _grouped(scored, lambda item: item.page.job.model.head):
            head = share[0].page.job.model.head
            began = self.clock()
            try:
                scores = head.scores(_stacked([item.hidden for item in share]))
            except Exception as error:  # noqa: BLE001 - a head may raise anything
                for item in share:
                    self._fail(item.page, _typed(error, _model_failed()))
                continue
            now = self.clock()
            self._modelled += now - began
            first = 0
            for item in share:
                end = first + len(item.hidden)
                self._decide(item.page, scores[first:end], now)
                first = end

    def _decide(self, page: LiveJob, scores: FloatArray, scored_at: float) -> None:
        if page.decoding_since is None:
            page.decoding_since = scored_at
        try:
            rows = page.decoder.take(scores)
        except Exception as error:  # noqa: BLE001 - one page's fault must not end the others
            bug = GenPageError("this page could not be decoded. This is a bug.")
            self._fail(page, _typed(error, bug))
            return
        now = self.clock()  # deciding took its time, and that of the pages before this one
        for row in rows:
            self._outputs.append(page.row(row, now))
        if page.decoder.reason is not None:
            self._finish(page, page.decoder.reason, now)
        else:
            self._refuse_overlong(page)

    def _refuse_overlong(self, page: LiveJob) -> None:
        capacity = page.job.model.backend.capacity
        if page.decoder.length > capacity:
            error = InputError(
                f"the page needs {page.decoder.length} tokens with its prompt, and the model holds "
                f"{capacity}; ask for fewer rows or entities_per_row."
            )
            self._fail(page, error)

    def _finish(self, page: LiveJob, reason: FinishReason, now: float) -> None:
        self._outputs.append(page.finished(reason, now))
        self._scheduler.remove(page)

    def _fail(self, page: LiveJob, error: GenPageError) -> None:
        self._outputs.append(page.failed(error))
        # What went wrong may stand in the KV: nobody is to build on it.
        self._scheduler.remove(page, keep=False)


T = TypeVar("T")


def _grouped(items: list[T], key: Callable[[T], object]) -> list[list[T]]:
    """The items by the identity of their key, in order of first appearance."""
    if len(items) == 1:
        return [items]
    groups: dict[int, list[T]] = {}
    for item in items:
        groups.setdefault(id(key(item)), []).append(item)
    return list(groups.values())


def _stacked(states: list[FloatArray]) -> FloatArray:
    """Hidden states (n, width) each, as one array."""
    return states[0] if len(states) == 1 else np.concatenate(states)


def _typed(error: Exception, otherwise: GenPageError) -> GenPageError:
    """What a client is told of an error: itself where it is meant for one, else ``otherwise``."""
    if isinstance(error, GenPageError):
        return error
    otherwise.__cause__ = error
    return otherwise


def _model_failed() -> GenPageError:
    return UnavailableError("the model failed while this page was generated; try again.")
