"""Pages from asking to ending: admission, planning, decoding, giving up, taking up again.

::

    begin -> running -> finished | failed
               |  ^
     deserted  v  | resumed: token for token, by the engine's reproducibility
             paused -> (60 s) finished "cancelled"

One task a running page carries the engine's outputs into the `LivePage`; its permit is given back
when the task ends, even where it never took a step.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from structlog.typing import FilteringBoundLogger

from api.admission import Admission, Release
from api.ask import Ask
from api.cards import Cards
from api.live_page import LivePage
from api.metrics import Metrics
from api.page_listener import PageListener
from api.page_store import PageStore
from api.page_trace import trace_of
from api.plan import Plan
from api.planner import Planner
from api.problems import INTERNAL, problem_of
from api.served import Served
from api.withdrawn import without_withdrawn
from genpage.catalog_changes import CatalogChanges
from genpage.errors import ConflictError, GenPageError, UnavailableError
from genpage.exploration import NO_EXPLORATION, Exploration
from genpage.grammar import DecodedRow
from rollout.aside import Aside
from runtime.job import PageJob
from runtime.output import PageFailed, PageFinished, RowDecoded
from runtime.prefix import PrefixKey
from runtime.worker import PageStream, Worker
from streaming.tracing import OFF, Tracing

# How long the engine may take to obey; a pass takes a fraction of it. Seconds.
LAST_STEP_S = 3.0
# Bundles that pages may be made with in turn: the active one and one on trial.
_CATALOGS = 2


class Pages:
    """All pages of this server. Owned by the event loop; an async context manager."""

    def __init__(
        self,
        worker: Worker,
        planner: Planner,
        store: PageStore,
        metrics: Metrics,
        log: FilteringBoundLogger,
        *,
        autoregressive: int,
        exploration: Exploration = NO_EXPLORATION,
        explained: bool = False,
        listeners: Sequence[PageListener] = (),
        tracing: Tracing = OFF,
        changes: Callable[[], CatalogChanges] = CatalogChanges,
    ) -> None:
        """``changes`` are those of the catalog at this moment: what is withdrawn is not sent.

        ``explained`` pages keep what `api.why` asks for.
        """
        limits = worker.limits
        self.admission = Admission(limit=limits.pages, parallel=limits.batch)
        self.store = store
        self._worker = worker
        self._planner = planner
        self._metrics = metrics
        self._log = log
        self._autoregressive = autoregressive
        self._exploration = exploration
        self._explained = explained
        self._tracing = tracing
        self._changes = changes
        self._listeners: Sequence[PageListener] = (metrics, *listeners)
        self._aside = Aside()
        self._tasks = asyncio.TaskGroup()
        self._decoding: dict[LivePage, asyncio.Task[None]] = {}
        # Of the catalogs that pages were made from last, the latest last.
        self._cards: list[Cards] = []

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Wait for the pages' tasks; the worker was drained or closed before."""
        self._give_up()
        await self._tasks.__aexit__(None, None, None)

    async def begin(self, ask: Ask) -> LivePage:
        """Have a page made, whether or not anybody listens.

        Raises `OverloadedError` when full, `UnavailableError` while draining or without a bundle,
        `NotFoundError` and `ConflictError` for a page that cannot be continued.
        """
        release = self.admission.acquire()
        try:
            plan = await self._aside.run((await self._plan(ask)).judged)
            page = LivePage(
                plan, self._cards_of(plan.model), self._deserted, explained=self._explained
            )
            self._decode_in_background(page, release)
        except BaseException:
            release()
            raise
        self._metrics.admitted(plan)
        return page

    def resume(self, page: LivePage) -> None:
        """Take a paused page up again where it was left; nothing happens to any other.

        Raises as `begin` does.
        """
        if page.state != "paused":
            return
        release = self.admission.acquire()
        try:
            self._decode_in_background(page, release)
        except BaseException:
            release()
            raise
        page.go_on()

    async def stop(self, page: LivePage) -> None:
        """End a page as it is; nothing happens to one that is over.

        `UnavailableError` where the engine does not let go of it in time; it is asked to all the
        same.
        """
        if page.state == "paused":
            page.finish("cancelled")
        page.stopped = True
        self._worker.cancel(page.page_id)
        async with _obeyed():
            while not page.over:
                await page.changed()

    async def erase(self, user_id: str) -> None:
        """Forget a member's pages, and the KV kept of them.

        `UnavailableError` where the engine does not obey in time; what it holds is then still
        there, and erasing again finds it.
        """
        async with _obeyed():
            for page in self.store.of_member(user_id):
                await self.stop(page)
                self.store.drop(page)
                page.when_left = None
            await self._worker.forget(user_id)

    async def drain(self, grace_s: float) -> None:
        """Take on nothing new; pages have ``grace_s`` seconds, then end as they are."""
        self.admission.closed = True
        try:
            async with asyncio.timeout(grace_s + LAST_STEP_S):
                await self._worker.drain(grace_s)
        except TimeoutError:
            self._log.error("the engine does not answer", pages=len(self._decoding))
        self._give_up()

    def _give_up(self) -> None:
        """End the pages that the engine did not end; there are none unless it is stuck."""
        for page, task in self._decoding.items():
            if not page.over:
                page.finish("draining")
                self._tell(page, "draining")
            task.cancel()

    async def _plan(self, ask: Ask) -> Plan:
        if ask.continue_from is None:
            return await self._planner.first(ask)
        page = self.store.get(ask.continue_from)
        if page.state == "running" and page.watched:
            raise ConflictError(
                f"Page {page.page_id} is still being made; read it to its end, or DELETE it."
            )
        await self.stop(page)
        return await self._planner.following(ask, page)

    def _deserted(self, page: LivePage) -> None:
        self._worker.cancel(page.page_id)

    def _decode_in_background(self, page: LivePage, release: Release) -> None:
        stream = self._worker.submit(self._job(page))
        self.store.start(page)
        task = self._tasks.create_task(self._decode(page, stream))
        self._decoding[page] = task

        def done(_: asyncio.Task[None]) -> None:
            # Here and not in the task: one that is cancelled before its first step runs nothing.
            del self._decoding[page]
            release()

        task.add_done_callback(done)

    def _job(self, page: LivePage) -> PageJob:
        plan, spent = page.plan, page.spent
        request = plan.request
        with self._metrics.mask_build():
            grammar = plan.grammar(page.rows)
        deadline = None
        if plan.deadline_s is not None:
            deadline = self._worker.clock() + max(0.0, plan.deadline_s - spent.total_ms / 1000)
        return PageJob(
            page_id=plan.page_id,
            key=PrefixKey(plan.model.digest, request.user_id),
            model=plan.model,
            prompt=plan.tokens,
            grammar=grammar,
            rows=len(plan.earlier) + request.rows,
            autoregressive=self._autoregressive,
            temperature=request.temperature,
            seed=request.seed,
            deadline=deadline,
            prompt_rows=len(plan.earlier),
            exploration=self._exploration,
            appeal=None if plan.appeal is None else plan.appeal.fresh(),
            context=plan.context,
            request=request,
        )

    async def _decode(self, page: LivePage, stream: PageStream) -> None:
        try:
            while await self._carry(page, stream):
                # Somebody came back while the engine was letting go.
                stream = self._worker.submit(self._job(page))
        except GenPageError as error:
            self._failed(page, error)
        except Exception:  # noqa: BLE001 - whatever it is, it ends this page only
            self._log.exception("page failed", page_id=page.page_id)
            page.fail(INTERNAL)
            self._tell(page, INTERNAL.code)
        finally:
            self.store.stop(page)

    async def _carry(self, page: LivePage, stream: PageStream) -> bool:
        """Carry one submission's outputs into the page; whether to submit it again."""
        before_ms = page.spent.total_ms
        # Of a page that is taken up again the first row has waited for a slot and for its prompt.
        last_ms: float | None = None
        trace = trace_of(self._tracing, page)
        async for output in stream:
            match output:
                case RowDecoded(at_ms=at_ms):
                    if self._add_row(page, output, before_ms + at_ms):
                        if len(page.rows) == 1:
                            self._metrics.first_row(page, before_ms + at_ms)
                        elif last_ms is not None:
                            self._metrics.row(page, at_ms - last_ms)
                        last_ms = at_ms
                    trace.row(at_ms)
                case PageFinished():
                    trace.finished(output)
                    return self._ended(page, output)
                case PageFailed(_, error):
                    trace.failed(error.code)
                    self._failed(page, error)
        return False

    def _add_row(self, page: LivePage, decoded: RowDecoded, at_ms: float) -> bool:
        """Add a row to the page; False where all of it was withdrawn since the page began."""
        row = without_withdrawn(decoded, page.plan.model.catalog, self._changes())
        if row is None:
            return False
        page.add_row(DecodedRow(row.row, row.entities), at_ms, row.propensities, row.choice)
        return True

    def _ended(self, page: LivePage, output: PageFinished) -> bool:
        page.spent = page.spent.plus(output)
        self._metrics.carried(page, output)
        given_up = output.reason == "cancelled" and not page.stopped
        if given_up and not page.watched:
            page.pause()
            # Now, since nobody may ever come back; one taken up again counts by its next end too.
            self._tell(page, "cancelled")
            return False
        if given_up and not self.admission.closed:
            return True
        page.finish("draining" if given_up else output.reason)
        self.admission.finished((page.spent.total_ms - page.spent.queue_ms) / 1000)
        self._tell(page, page.finish_reason or output.reason)
        return False

    def _failed(self, page: LivePage, error: GenPageError) -> None:
        problem = problem_of(error)
        if problem.status >= INTERNAL.status:
            self._log.error("page failed", page_id=page.page_id, exc_info=error)
        page.fail(problem)
        self._tell(page, error.code)

    def _tell(self, page: LivePage, outcome: str) -> None:
        for listener in self._listeners:
            listener.ended(page, outcome)

    def _cards_of(self, model: Served) -> Cards:
        for cards in self._cards:
            if cards.catalog is model.catalog:
                return cards
        cards = Cards(model.catalog)
        self._cards = [*self._cards[1 - _CATALOGS :], cards]
        return cards


@asynccontextmanager
async def _obeyed() -> AsyncIterator[None]:
    """Waits inside for the engine, at most `LAST_STEP_S`; then `UnavailableError`."""
    try:
        async with asyncio.timeout(LAST_STEP_S):
            yield
    except TimeoutError as error:
        raise UnavailableError("The engine does not answer; try again.") from error
