"""The rollout: one announced bundle at a time comes to serve, or is refused; and the way back.

::

    waiting -> fetching -> loading -> judging -> active                       immediate
                                              -> on trial -> active | rolled back     canary
                                              -> on trial -> active | replaced        shadow
                                              -> loaded -> active                     manual
    anywhere -> rejected

Who gets what changes by one assignment (`runtime.registry`); what is slow happens before, or after.
Decisions:

1. The newest announcement wins: one that comes while another is loaded makes that one give up.
2. What an operator decides here (activate, rollback) wins over what is being loaded.
3. A rollback during a canary ends it, and the active version stays; during a shadow, which serves
   nobody, it ends that and goes back from the active version.
4. A source that is away, or memory that is short, is tried again by itself while nothing newer
   comes; what lies in the bundle's bytes is not.
5. Nothing here can end more than itself: not a disk that is full, not a candidate that raises.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from structlog.typing import FilteringBoundLogger

from genpage.errors import NotFoundError
from genpage.hold import Hold
from genpage.trends import Trends
from rollout.active import ActiveBundle
from rollout.announcement import Announcement
from rollout.aside import Aside
from rollout.attempt import Attempt
from rollout.attempts import Attempts
from rollout.bringer import Adopt, Bringer, Settings, require
from rollout.canary import Verdict
from rollout.holding import clear_temporary
from rollout.keeper import Keeper
from rollout.orders import Orders
from rollout.probe import Prober
from rollout.queue import Queue
from rollout.refusal import LASTING, Kind, RefusedError
from rollout.refused import Refusal, Refused
from rollout.status import Named, Status
from rollout.tasks import Tasks
from rollout.teller import Teller
from rollout.trial import Served, Trial
from rollout.trials import Trials
from runtime.model import LoadedModel
from runtime.registry import Registry
from runtime.worker import Worker

if TYPE_CHECKING:
    import asyncio


class Rollout:
    """An async context manager. Belongs to one event loop, that of ``worker``.

    ``listeners`` are called with each status; ``when_swapped`` with the seconds of each swap.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry[LoadedModel],
        worker: Worker,
        log: FilteringBoundLogger,
        *,
        remembered: ActiveBundle | None = None,
        adopt: Adopt | None = None,
        trends: Callable[[LoadedModel], Trends] | None = None,
        autoregressive: int = 4,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``remembered`` is what the registry's active model was loaded from."""
        self.settings = settings
        self.when_swapped: list[Callable[[float], None]] = []
        self._registry = registry
        self._log = log
        self._clock = clock
        self._attempts = Attempts(clock)
        self._queue = Queue()
        self._aside = Aside()
        self._tasks = Tasks(log)
        prober = Prober(worker)
        self._refused = Refused(settings.state_dir, log)
        self._bringer = Bringer(
            settings, registry, self._refused, prober, self._aside, adopt or self._add, log
        )
        self._keeper = Keeper(
            settings,
            registry,
            self._bringer,
            self._refused,
            self._aside,
            log,
            remembered=remembered,
        )
        self._trials = Trials(
            registry,
            self._attempts,
            prober,
            self._tasks,
            log,
            decided=self._decided,
            trends=trends or (lambda model: model.trends),
            autoregressive=autoregressive,
        )
        self._teller = Teller(
            settings.replica, registry, self._keeper.named, log, clock, lambda: self._trials.attempt
        )
        self.numbers = self._teller.numbers
        self._handled = None if remembered is None else remembered.handled
        self._orders = Orders(self._handled)
        self._worker_task: asyncio.Task[None] | None = None
        # Of the staging folder, where that is a temporary one.
        self._hold: Hold | None = None

    async def __aenter__(self) -> Self:
        if self.settings.state_dir is None:
            with suppress(OSError):  # what comes to be fetched there says what is wrong with it
                self._hold = Hold.take(self.settings.staging)
        self._tasks.start(self._aside.run(self._clear), "clear")
        self._worker_task = self._tasks.start(self._work(), "rollout")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Stop at once; a transfer goes on from where it was after the next start."""
        self._queue.close()
        try:
            await self._tasks.close()
            self._trials.end()
        finally:
            self._aside.close()
            if self.settings.state_dir is None:
                shutil.rmtree(self.settings.staging, ignore_errors=True)
            if self._hold is not None:
                self._hold.release()

    @property
    def state(self) -> str:
        """How it is, for probes."""
        ended = self._worker_task is None or self._worker_task.done()
        return "ended" if ended else "ok"

    @property
    def attempts(self) -> Mapping[str, Attempt]:
        """The latest attempts by id, oldest first."""
        return self._attempts.by_id

    @property
    def statuses(self) -> Sequence[Status]:
        """What was said of bundles, the latest of it."""
        return self._teller.statuses

    @property
    def standing(self) -> Status | None:
        """The latest of that, with the bundles that stand now."""
        return self._teller.standing()

    @property
    def listeners(self) -> list[Callable[[Status], None]]:
        """Called with each status; to be added to."""
        return self._teller.listeners

    @property
    def trial(self) -> Trial | None:
        """The canary or shadow that goes on."""
        return self._trials.trial

    # What may be asked of it.

    def announce(self, announcement: Announcement, *, replayed: bool = False) -> Attempt | None:
        """Take an announcement up; what becomes of it is told by its attempt and by statuses.

        None where it is to be passed over in silence: it came before, or, ``replayed`` from a
        topic's past, is not the newest there.
        """
        twin = self._attempts.twin_of(announcement)
        if twin is not None:
            return twin
        older = self._orders.is_older(announcement)
        if self._orders.repeats(announcement) or (replayed and older):
            return None
        attempt = self._attempts.add(announcement)
        try:
            self._orders.take(announcement, self._clock())
        except RefusedError as error:
            self._refuse(attempt, error)
            return attempt
        self._give_up("something newer was announced meanwhile")
        self._queue.put(attempt)
        return attempt

    def next_moment(self) -> float:
        """Now, Unix seconds, as ``created_at``: newer than all that was announced."""
        return self._orders.after(self._clock())

    async def activate(self, version: str) -> LoadedModel:
        """Make new pages with a loaded version, at once; `NotFoundError` where it is not loaded."""
        model = self._registry.find(version)
        if model is None:
            raise NotFoundError(f"version {version} is not loaded here; publish its bundle again.")
        self._give_up("an operator decided otherwise")
        self._switch(version, "asked for by an operator")
        await self._keep()
        return model

    async def rollback(self) -> LoadedModel:
        """Go back, at once: from a canary to the active version, else to the one before it.

        A shadow ends either way.

        `ConflictError` where there is none.
        """
        why = "asked for by an operator"
        attempt, active = self._trials.attempt, self._registry.active
        only_ends_it = self._registry.on_trial is not None or self._registry.previous is None
        if attempt is not None and active is not None and only_ends_it:
            self._give_up("an operator decided otherwise")
            self._ended_trial(attempt, why)
            await self._keep()
            return active
        begun = time.perf_counter()
        model = self._registry.rollback()
        self.numbers.last_activation_s = time.perf_counter() - begun
        self.numbers.rolled_back += 1
        self._give_up("an operator decided otherwise")
        self._trials.end()
        for each in self._attempts.those("active"):
            if active is not None and each.digest == active.digest:
                self._attempts.change(each, "rolled back", why)
        self._teller.tell("rolled back", active, f"{why}; {model.version} serves")
        await self._keep()
        return model

    def served(self, page: Served) -> None:
        """A member's page ended; costs it nothing."""
        self._trials.served(page)

    def announce_start(self) -> None:
        """Say what this replica started with."""
        if self._registry.active is not None:
            self._teller.tell("activated", self._registry.active, "the server started with it")

    # One at a time.

    async def _work(self) -> None:
        await self._keeper.bring_previous_back()
        while True:
            attempt = await self._queue.take()
            try:
                await self._take(attempt)
            except RefusedError as error:
                self._refuse(attempt, error)
            except Exception as error:  # noqa: BLE001 - a bundle's fault must not end the rollout
                self._log.exception("a rollout failed", uri=attempt.announcement.bundle_uri)
                self._refuse(attempt, RefusedError("failed", repr(error)))
            finally:
                self._queue.done()
            await self._keep()

    async def _take(self, attempt: Attempt) -> None:
        begun = time.perf_counter()
        model = await self._bringer.bring(attempt, lambda: self._attempts.touch(attempt))
        require(attempt)
        attempt.version, attempt.digest = model.version, model.digest
        self._keeper.note(model, attempt.announcement.bundle_uri)
        active = self._registry.active
        strategy = attempt.announcement.rollout.strategy
        if active is not None and active.digest == model.digest and self._trials.trial is None:
            self._attempts.change(attempt, "active", "it was active already")
            return
        self._trials.end()
        if active is None or strategy == "immediate":
            if active is None or active.digest != model.digest:
                self._teller.tell("loaded", model, None, attempt)
            self._switch(model.version, None, attempt, begun)
        else:
            self._try_out(attempt, model)

    def _try_out(self, attempt: Attempt, model: LoadedModel) -> None:
        if attempt.announcement.rollout.strategy == "manual":
            self._attempts.change(attempt, "loaded")
        else:
            self._trials.begin(attempt, model)
        self._teller.tell("loaded", model, None, attempt)

    def _decided(self, attempt: Attempt, verdict: Verdict) -> None:
        """A canary's end, in the call that counted its last page."""
        if verdict.kind == "promote":
            assert attempt.version is not None, "what is on trial has a version. This is a bug."
            self._switch(attempt.version, verdict.why, attempt)
        else:
            assert attempt.digest is not None, "what is on trial has a digest. This is a bug."
            attempt.kind = "canary"
            self._remember_refusal(attempt.digest, "canary", verdict.why)
            self._ended_trial(attempt, verdict.why)
        self._tasks.start(self._keep(), "keep")

    def _ended_trial(self, attempt: Attempt, why: str) -> None:
        model = None if attempt.version is None else self._registry.find(attempt.version)
        self._attempts.change(attempt, "rolled back", why)
        self._trials.end()
        self.numbers.rolled_back += 1
        self._teller.tell("rolled back", model, why, attempt)

    def _switch(
        self,
        version: str,
        why: str | None,
        attempt: Attempt | None = None,
        begun: float | None = None,
    ) -> None:
        """New pages are made with ``version`` from here on; the swap began at ``begun``."""
        at = time.perf_counter()
        model = self._registry.activate(version)
        now = time.perf_counter()
        numbers = self.numbers
        numbers.swaps += 1
        numbers.last_activation_s, numbers.last_swap_s = now - at, now - (begun or at)
        for told in self.when_swapped:
            told(numbers.last_swap_s)
        self._trials.end()
        for each in self._attempts.those("active"):
            if each is not attempt:
                self._attempts.change(each, "replaced")
        for each in self._attempts.those("loaded", "on trial"):
            if each.version == version:
                attempt = attempt or each
        if attempt is not None:
            self._attempts.change(attempt, "active", why)
        self._teller.tell("activated", model, why, attempt)

    def _give_up(self, why: str) -> None:
        """What waits, comes again or is being loaded is not wanted any more."""
        waited = self._queue.give_up()
        if waited is not None:
            self._refuse(waited, RefusedError("superseded", why))

    def _refuse(self, attempt: Attempt, error: RefusedError) -> None:
        """It does not come to serve. Raises nothing: it is called where errors are handled."""
        attempt.refuse(error)
        self._attempts.touch(attempt)
        self.numbers.refused[error.kind] = self.numbers.refused.get(error.kind, 0) + 1
        if error.kind in LASTING and attempt.digest is not None:
            self._remember_refusal(attempt.digest, error.kind, str(error))
        named = Named(attempt.version or "", attempt.digest or "", attempt.announcement.bundle_uri)
        self._teller.tell("rejected", named, str(error), attempt)
        self._queue.retry(attempt)

    def _remember_refusal(self, digest: str, kind: Kind, why: str) -> None:
        # What was refused for what it was refused for before keeps its first reason.
        with suppress(RefusedError):
            self._refused.check(digest)
            self._refused.add(Refusal(digest, kind, why, self._clock()))

    async def _keep(self) -> None:
        """Remember what stands, and let go of what nobody needs: after a change, delaying none."""
        waiting = [a.version for a in self._attempts.those("loaded", "on trial") if a.version]
        released = self._registry.retain(waiting[-1:])
        for attempt in self._attempts.those("loaded", "on trial"):
            if attempt.version is not None and self._registry.find(attempt.version) is None:
                self._attempts.change(attempt, "replaced")
        # Whatever was decided, what was announced before does not undo it after a restart.
        self._handled = self._attempts.handled(self._handled)
        await self._keeper.keep(released, self._queue.digests, self._handled)

    def _clear(self) -> None:
        """Remove what a crash left, on another thread: it may be large."""
        self._bringer.fetcher.clear()
        if self.settings.state_dir is None:
            clear_temporary(self.settings.staging.parent)

    async def _add(self, model: LoadedModel) -> LoadedModel:
        self._registry.add(model)
        return model
