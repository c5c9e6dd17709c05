"""The engine: one `step` schedules, runs the trunk and head, and decides by their scores.

Pure but for the backend and head that jobs bring along: it knows no thread, no asyncio and no
clock of its own. One owner calls it; `runtime.worker` is that owner when serving.
"""

import time

from genpage.errors import GenPageError, InputError
from genpage.page import FinishReason
from runtime.arrays import FloatArray
from runtime.decoder import Decoder
from runtime.job import PageJob
from runtime.limits import Limits
from runtime.live import LiveJob
from runtime.output import Output
from runtime.pace import Pace
from runtime.scheduler import Scheduler, Work
from runtime.shared_calls import Clock, Scored, SharedCalls, typed
from runtime.stats import Stats


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
        self._calls = SharedCalls(clock, self._fail)

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
        for page in self._scheduler.admit(now):
            self._anticipate(page)
        work = self._scheduler.schedule()
        self._calls.seconds = 0.0
        decoding = sum(item.page.decoding for item in work)
        scored = self._calls.score(self._run(work))
        if self._pace is not None:
            self._pace.shared_by(decoding)
        for of, scores, at in scored:
            self._decide(of, scores, at)
        self._steps += 1
        if self._pace is not None and work and decoding == len(work):
            tokens = sum(len(item.chunk.tokens) for item in work)
            self._pace.passed(tokens, self._calls.seconds)
        outputs, self._outputs = self._outputs, []
        return outputs

    def stats(self) -> Stats:
        """The books."""
        guesses = {} if self._pace is None else self._pace.verified
        return Stats.of(self._scheduler, self._steps, self._fed_tokens, guesses)

    def check_integrity(self) -> None:
        """Raise where the books contradict themselves. This is a bug then."""
        self._scheduler.check_integrity()

    def _run(self, work: list[Work]) -> list[Scored]:
        """Feed the trunks, one call each; the pages whose next decision can be taken."""
        scored = []
        for item, hidden in self._calls.forward(work):
            page = item.page
            self._scheduler.record(item)
            self._fed_tokens += len(item.chunk.tokens)
            page.passes += page.decoding
            if page.decoder.fed(item.chunk):
                scored.append(Scored(page, hidden))
        return scored

    def _anticipate(self, page: LiveJob) -> None:
        try:
            page.decoder.anticipate(self.limits.drafted(self._scheduler.live))
        except Exception as error:  # noqa: BLE001 - one page's fault must not end the others
            bug = GenPageError("this page could not be begun. This is a bug.")
            self._fail(page, typed(error, bug))

    def _decide(self, scored: Scored, scores: FloatArray, scored_at: float) -> None:
        page = scored.page
        if page.decoding_since is None:
            page.decoding_since = scored_at
        try:
            drafted = self.limits.drafted(self._scheduler.live)
            rows = page.decoder.take(scores, drafted, scored.hidden)
        except Exception as error:  # noqa: BLE001 - one page's fault must not end the others
            bug = GenPageError("this page could not be decoded. This is a bug.")
            self._fail(page, typed(error, bug))
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
