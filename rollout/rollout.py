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
3. A rollback during a trial ends the trial; the active version stays.
4. A source that is away, or memory that is short, is tried again by itself while nothing newer
   comes; what lies in the bundle's bytes is not.
"""

import asyncio
import ctypes
import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from structlog.typing import FilteringBoundLogger

from genpage.errors import NotFoundError
from genpage.trends import Trends
from rollout.active import ActiveBundle, Handled, Held
from rollout.announcement import Announcement
from rollout.aside import Aside
from rollout.attempt import Attempt, State
from rollout.bringer import Adopt, Bringer, Settings, require
from rollout.canary import Canary, Verdict
from rollout.orders import Orders
from rollout.probe import Prober
from rollout.refusal import LASTING, Kind, RefusedError
from rollout.refused import Refusal, Refused
from rollout.shadow import Shadow
from rollout.status import Event, Named, Status
from rollout.trial import CanaryTrial, Served, ShadowTrial, Trial
from runtime.model import LoadedModel
from runtime.registry import Registry
from runtime.worker import Worker

MOST_ATTEMPTS: Final = 50
MOST_STATUSES: Final = 200
# Until a source or memory that failed is asked again.
RETRY_S: Final = (5.0, 30.0, 120.0, 300.0)
RETRIED: Final[frozenset[Kind]] = frozenset({"away", "no-room"})


@dataclass(slots=True)
class Numbers:
    """What is counted, for metrics; seconds. ``refused`` is by kind."""

    swaps: int = 0
    rolled_back: int = 0
    refused: dict[Kind, int] = field(default_factory=dict)
    # From taking an announcement up to new pages being made with it.
    last_swap_s: float | None = None
    # The assignment alone.
    last_activation_s: float | None = None


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
        self.numbers = Numbers()
        self.listeners: list[Callable[[Status], None]] = []
        self.when_swapped: list[Callable[[float], None]] = []
        self.statuses = deque[Status](maxlen=MOST_STATUSES)
        self.attempts: dict[str, Attempt] = {}
        self._registry = registry
        self._log = log
        self._clock = clock
        self._autoregressive = autoregressive
        self._trends = trends or (lambda model: model.trends)
        self._aside = Aside()
        self._prober = Prober(worker)
        self._refused = Refused(settings.state_dir, log)
        self._bringer = Bringer(
            settings, registry, self._refused, self._prober, self._aside, adopt or self._add, log
        )
        self._held: dict[str, Held] = {}
        if remembered is not None:
            self._held[remembered.version] = remembered.held
        self._remembered = remembered
        self._handled = None if remembered is None else remembered.handled
        self._orders = Orders(self._handled)
        self._pending: Attempt | None = None
        self._current: Attempt | None = None
        self._trial: Trial | None = None
        self._trial_of: Attempt | None = None
        self._news = asyncio.Event()
        self._keeping = asyncio.Lock()
        self._group = asyncio.TaskGroup()
        self._worker_task: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._worker_task = self._group.create_task(self._work())
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Stop at once; a transfer goes on from where it was after the next start."""
        if self._retry is not None:
            self._retry.cancel()
        for attempt in (self._pending, self._current):
            if attempt is not None:
                attempt.wanted = False
        self._end_trial()
        if self._worker_task is not None:
            self._worker_task.cancel()
        with suppress(asyncio.CancelledError):
            await self._group.__aexit__(None, None, None)
        self._aside.close()
        if self.settings.state_dir is None:
            shutil.rmtree(self.settings.staging, ignore_errors=True)

    @property
    def state(self) -> str:
        """How it is, for probes."""
        ended = self._worker_task is None or self._worker_task.done()
        return "ended" if ended else "ok"

    @property
    def trial(self) -> Trial | None:
        """The canary or shadow that goes on."""
        return self._trial

    # What may be asked of it.

    def announce(self, announcement: Announcement, *, replayed: bool = False) -> Attempt | None:
        """Take an announcement up; what becomes of it is told by its attempt and by statuses.

        None where it is to be passed over in silence: it came before, or, ``replayed`` from a
        topic's past, is not the newest there.
        """
        twin = next((a for a in self.attempts.values() if a.is_twin(announcement)), None)
        if twin is not None:
            return twin
        older = self._orders.is_older(announcement)
        if self._orders.repeats(announcement) or (replayed and older):
            return None
        attempt = Attempt(announcement, self._clock())
        self._list(attempt)
        try:
            self._orders.take(announcement, self._clock())
        except RefusedError as error:
            self._refuse(attempt, error)
            return attempt
        self._give_up("something newer was announced meanwhile")
        self._pending = attempt
        self._news.set()
        return attempt

    async def activate(self, version: str) -> LoadedModel:
        """Make new pages with a loaded version, at once; `NotFoundError` where it is not loaded."""
        if self._registry.find(version) is None:
            raise NotFoundError(f"version {version} is not loaded here; publish its bundle again.")
        self._give_up("an operator decided otherwise")
        self._switch(version, "asked for by an operator")
        await self._keep()
        return self._must(version)

    async def rollback(self) -> LoadedModel:
        """Go back, at once: from a trial to the active version, else to the one before it.

        `ConflictError` where there is none.
        """
        attempt = self._trial_of
        if attempt is not None and self._registry.active is not None:
            self._give_up("an operator decided otherwise")
            self._ended_trial(attempt, "rolled back", "asked for by an operator")
            await self._keep()
            return self._registry.active
        begun = time.perf_counter()
        left = self._registry.active
        model = self._registry.rollback()
        self.numbers.last_activation_s = time.perf_counter() - begun
        self.numbers.rolled_back += 1
        self._give_up("an operator decided otherwise")
        for each in self.attempts.values():
            if left is not None and each.digest == left.digest and each.state == "active":
                self._change(each, "rolled back", "asked for by an operator")
        self._tell("rolled back", left, f"asked for by an operator; {model.version} serves")
        self._settle_handled()
        await self._keep()
        return model

    def served(self, page: Served) -> None:
        """A member's page ended: what a trial is judged by."""
        if self._trial is not None:
            self._trial.served(page)

    def announce_start(self) -> None:
        """Say what this replica started with."""
        if self._registry.active is not None:
            self._tell("activated", self._registry.active, "the server started with it")

    def named(self, model: LoadedModel | None) -> Named | None:
        """A bundle by name and origin."""
        if model is None:
            return None
        held = self._held.get(model.version)
        uri = "" if held is None else held.bundle_uri or Path(held.folder).as_uri()
        return Named(model.version, model.digest, uri)

    # One at a time.

    async def _work(self) -> None:
        await self._bring_previous_back()
        while True:
            await self._news.wait()
            self._news.clear()
            attempt, self._pending = self._pending, None
            if attempt is None:
                continue
            self._current = attempt
            try:
                await self._take(attempt)
            except RefusedError as error:
                self._refuse(attempt, error)
            except Exception as error:  # noqa: BLE001 - a bundle's fault must not end the rollout
                self._log.exception("a rollout failed", uri=attempt.announcement.bundle_uri)
                self._refuse(attempt, RefusedError("failed", repr(error)))
            finally:
                self._current = None
            await self._keep()

    async def _take(self, attempt: Attempt) -> None:
        begun = time.perf_counter()
        model = await self._bringer.bring(attempt, lambda: self._touch(attempt))
        require(attempt)
        attempt.version, attempt.digest = model.version, model.digest
        if model.version not in self._held:
            folder = str(self.settings.staging / model.digest)
            self._held[model.version] = Held(
                model.version, model.digest, folder, attempt.announcement.bundle_uri
            )
        active = self._registry.active
        strategy = attempt.announcement.rollout.strategy
        if active is not None and active.digest == model.digest and self._trial is None:
            self._change(attempt, "active", "it was active already")
            self._settle_handled()
            return
        self._end_trial()
        if active is None or strategy == "immediate":
            if active is None or active.digest != model.digest:
                self._tell("loaded", model, None, attempt)
            self._switch(model.version, None, attempt, begun)
        else:
            self._try_out(attempt, model)

    def _try_out(self, attempt: Attempt, model: LoadedModel) -> None:
        terms = attempt.announcement.rollout
        self._change(attempt, "loaded" if terms.strategy == "manual" else "on trial")
        if terms.strategy != "manual":
            self._trial_of = attempt
        if terms.strategy == "canary":
            canary = Canary(model.version, terms, time.monotonic())
            self._trial = CanaryTrial(canary, lambda verdict: self._decided(attempt, verdict))
            self._registry.try_out(model.version, canary.takes)
        elif terms.strategy == "shadow":
            self._trial = ShadowTrial(
                Shadow(model.version, terms),
                model,
                self._prober,
                self._group,
                self._log,
                trends=self._trends,
                autoregressive=self._autoregressive,
            )
        self._tell("loaded", model, None, attempt)

    def _decided(self, attempt: Attempt, verdict: Verdict) -> None:
        """A canary's end, in the call that counted its last page."""
        if verdict.kind == "promote":
            assert attempt.version is not None
            self._switch(attempt.version, verdict.why, attempt)
        else:
            self._ended_trial(attempt, "rolled back", verdict.why)
            assert attempt.digest is not None
            attempt.kind = "canary"
            self._remember_refusal(attempt.digest, "canary", verdict.why)
            self._settle_handled()
        self._group.create_task(self._keep())

    def _ended_trial(self, attempt: Attempt, event: Event, why: str) -> None:
        model = None if attempt.version is None else self._registry.find(attempt.version)
        self._end_trial()
        self.numbers.rolled_back += 1
        self._change(attempt, "rolled back", why)
        self._tell(event, model, why, attempt)

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
        self._end_trial()
        for each in self.attempts.values():
            if each.state == "active" and each is not attempt:
                self._change(each, "replaced")
            elif each.version == version and each.state in {"loaded", "on trial"}:
                attempt = attempt or each
        if attempt is not None:
            self._change(attempt, "active", why)
        self._settle_handled()
        self._tell("activated", model, why, attempt)

    def _end_trial(self) -> None:
        self._registry.end_trial()
        if self._trial is not None:
            self._trial.end()
        if self._trial_of is not None and self._trial_of.state == "on trial":
            self._change(self._trial_of, "replaced")
        self._trial = self._trial_of = None

    def _give_up(self, why: str) -> None:
        """What waits or is being loaded is not wanted any more."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._pending is not None:
            self._refuse(self._pending, RefusedError("superseded", why))
            self._pending = None
        if self._current is not None:
            self._current.wanted = False

    def _refuse(self, attempt: Attempt, error: RefusedError) -> None:
        attempt.refuse(error)
        self._touch(attempt)
        self.numbers.refused[error.kind] = self.numbers.refused.get(error.kind, 0) + 1
        if error.kind in LASTING and attempt.digest is not None:
            self._remember_refusal(attempt.digest, error.kind, str(error))
            self._settle_handled()
        named = Named(attempt.version or "", attempt.digest or "", attempt.announcement.bundle_uri)
        self._tell("rejected", named, str(error), attempt)
        if error.kind in RETRIED and attempt.wanted:
            self._later(attempt)

    def _later(self, attempt: Attempt) -> None:
        wait_s = RETRY_S[min(attempt.tries, len(RETRY_S) - 1)]
        attempt.tries += 1

        def again() -> None:
            attempt.state, attempt.why, attempt.kind = "waiting", None, None
            self._pending = attempt
            self._news.set()

        self._retry = asyncio.get_running_loop().call_later(wait_s, again)

    def _remember_refusal(self, digest: str, kind: Kind, why: str) -> None:
        # What was refused for what it was refused for before keeps its first reason.
        with suppress(RefusedError):
            self._refused.check(digest)
            self._refused.add(Refusal(digest, kind, why, self._clock()))

    def _settle_handled(self) -> None:
        """What was announced so far was dealt with."""
        over = [a for a in self.attempts.values() if a.settled]
        newest = max(over, key=lambda a: a.announcement.created_at, default=None)
        if newest is not None and (
            self._handled is None or newest.announcement.created_at > self._handled.at
        ):
            self._handled = Handled(newest.announcement.created_at, newest.announcement.digest)

    # After a change: nothing here delays a page.

    async def _bring_previous_back(self) -> None:
        """After a restart, load what a rollback would give."""
        held = None if self._remembered is None else self._remembered.previous
        if held is None or self._registry.previous is not None:
            return
        try:
            model = await self._aside.run(
                LoadedModel.load, Path(held.folder), self.settings.loading, digest=held.digest
            )
            if self.settings.rules is not None:
                model = model.with_rules(self.settings.rules)
            await self._bringer.adopt(model)
            self._held[model.version] = held
            if self._registry.previous is None:
                self._registry.remember(model.version)
        except Exception as error:  # noqa: BLE001 - a rollback is then not there; pages are
            self._log.warning("the earlier bundle is gone", version=held.version, why=str(error))

    async def _keep(self) -> None:
        """Remember what stands, and let go of what nobody needs."""
        async with self._keeping:
            loaded = [
                a.version for a in self.attempts.values() if a.state in {"loaded", "on trial"}
            ]
            manual = [version for version in loaded[-1:] if version is not None]
            released = self._registry.retain(manual)
            for model in released:
                self._held.pop(model.version, None)
            for attempt in self.attempts.values():
                gone = attempt.version is not None and self._registry.find(attempt.version) is None
                if attempt.state in {"loaded", "on trial"} and gone:
                    self._change(attempt, "replaced")
            kept = {model.digest for model in self._registry.loaded}
            current = self._current
            if current is not None and current.digest is not None:
                kept |= {current.digest, f"{current.digest}.part"}
            kept |= {f"{a.digest}.part" for a in self.attempts.values() if a.kind in RETRIED}
            standing = self._standing()
            try:
                await self._aside.run(self._tidy, released, kept, standing)
            except OSError as error:
                self._log.error("what stands cannot be remembered", why=str(error))

    def _standing(self) -> ActiveBundle | None:
        active, previous = self._registry.active, self._registry.previous
        held = None if active is None else self._held.get(active.version)
        if held is None:
            return None
        before = None if previous is None else self._held.get(previous.version)
        return ActiveBundle(
            held.version, held.digest, held.folder, held.bundle_uri, before, self._handled
        )

    def _tidy(
        self, released: list[LoadedModel], kept: set[str], standing: ActiveBundle | None
    ) -> None:
        if standing is not None and self.settings.state_dir is not None:
            standing.remember(self.settings.state_dir)
        self._bringer.fetcher.keep_only(kept)
        freed = bool(released)
        released.clear()
        if freed:
            give_memory_back()

    async def _add(self, model: LoadedModel) -> LoadedModel:
        self._registry.add(model)
        return model

    def _must(self, version: str) -> LoadedModel:
        model = self._registry.find(version)
        assert model is not None
        return model

    def _list(self, attempt: Attempt) -> None:
        self.attempts[attempt.id] = attempt
        while len(self.attempts) > MOST_ATTEMPTS:
            del self.attempts[next(iter(self.attempts))]

    def _touch(self, attempt: Attempt) -> None:
        attempt.at = self._clock()

    def _change(self, attempt: Attempt, state: State, why: str | None = None) -> None:
        attempt.state, attempt.why = state, why
        self._touch(attempt)

    def _tell(
        self,
        event: Event,
        model: LoadedModel | Named | None,
        why: str | None,
        attempt: Attempt | None = None,
    ) -> None:
        named = model if isinstance(model, Named) else self.named(model)
        swapped = event == "activated" and attempt is not None
        status = Status(
            replica=self.settings.replica,
            event=event,
            version=None if named is None else named.version or None,
            digest=None if named is None else named.digest or None,
            bundle_uri=None if named is None else named.bundle_uri or None,
            at=self._clock(),
            strategy=None if attempt is None else attempt.announcement.rollout.strategy,
            why=why,
            kind=None if attempt is None else attempt.kind,
            retryable=None if attempt is None else attempt.retryable,
            active=self.named(self._registry.active),
            previous=self.named(self._registry.previous),
            swap_s=self.numbers.last_swap_s if swapped else None,
        )
        self.statuses.append(status)
        say = self._log.warning if event in {"rejected", "rolled back"} else self._log.info
        say(f"bundle {event}", version=status.version, digest=status.digest, why=why)
        for listener in self.listeners:
            listener(status)


def give_memory_back() -> None:
    """Have the C library return what was freed to the machine: glibc keeps it otherwise."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
