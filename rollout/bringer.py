"""From an announcement to a bundle that may serve: fetch, verify, load aside, gate."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from genpage.errors import ConflictError, GenPageError, RulesError
from genpage.rules import Rules
from rollout import gates, memory, room
from rollout.announcement import Announcement
from rollout.aside import Aside
from rollout.attempt import Attempt, State
from rollout.canary import share_of
from rollout.fetch import Bounds, Fetched, Fetcher, Found, damage
from rollout.gates import Timed
from rollout.probe import Prober
from rollout.refusal import RefusedError
from rollout.refused import Refused
from rollout.source import Sources
from runtime.cases import GoldenCase
from runtime.model import LoadedModel, LoadSettings

# A bundle that seems too slow is timed again, with a pause in between.
LATENCY_TURNS: Final = 5
LATENCY_PAUSE_S: Final = 0.5
P = ParamSpec("P")
T = TypeVar("T")
# Takes a freshly loaded model into the registry, fitted to what is live.
Adopt = Callable[[LoadedModel], Awaitable[LoadedModel]]


@dataclass(frozen=True, slots=True)
class Settings:
    """How this replica deals with announcements.

    ``stagger_s``: replicas begin at moments spread over so many seconds. ``staging`` is where
    bundles are fetched to; ``state_dir``, where there is one, remembers across restarts.
    """

    staging: Path
    replica: str = "genpage"
    state_dir: Path | None = None
    sources: Sources = field(default_factory=Sources)
    bounds: Bounds = field(default_factory=Bounds)
    stagger_s: float = 5.0
    loading: LoadSettings = field(default_factory=LoadSettings)
    rules: Rules | None = None
    available: memory.Available = memory.available


class Standing(Protocol):
    """What is active and loaded."""

    @property
    def active(self) -> LoadedModel | None:
        """What new pages are made with."""
        ...

    @property
    def loaded(self) -> tuple[LoadedModel, ...]:
        """All in memory."""
        ...


class Bringer:
    """Brings one bundle at a time. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        standing: Standing,
        refused: Refused,
        prober: Prober,
        aside: Aside,
        adopt: Adopt,
        log: FilteringBoundLogger,
    ) -> None:
        self.fetcher = Fetcher(settings.staging, settings.sources, settings.bounds)
        self._settings = settings
        self._standing = standing
        self._refused = refused
        self._prober = prober
        self._aside = aside
        self.adopt = adopt
        self._reading = threading.Lock()
        self._log = log

    async def bring(self, attempt: Attempt, tell: Callable[[], None]) -> LoadedModel:
        """The announced bundle, loaded and registered; `RefusedError` where it may not serve.

        Changes the attempt's state, and calls ``tell`` each time.
        """

        def now(state: State) -> None:
            attempt.state = state
            tell()
            require(attempt)

        announced = attempt.announcement
        self._check_refused(announced, announced.digest)
        held = self._held(announced.digest)
        if held is not None:
            return held
        await _unless_given_up(attempt, asyncio.sleep(self._delay(announced)))
        now("fetching")
        await self._prober.lull()
        # On a thread of its own: one that a source holds up is left behind, and holds up nobody.
        fetching = Aside()
        found = await _unless_given_up(
            attempt,
            fetching.run_calmly(
                self.fetcher.find, announced.bundle_uri, announced.digest, lambda: attempt.wanted
            ),
        )
        attempt.digest, attempt.version = found.digest, found.manifest.version
        self._check_refused(announced, found.digest)
        held = self._held(found.digest)
        if held is not None:
            return held
        self._check_found(announced, found)
        fetched = await _unless_given_up(
            attempt,
            fetching.run_calmly(self.fetcher.fetch, found, lambda: attempt.wanted),
        )
        now("loading")
        await self._prober.lull()
        model, cases = await _unless_given_up(
            attempt, self._aside.run(self._read, fetched, attempt)
        )
        now("judging")
        model = await _unless_given_up(attempt, self._try_out(model, cases, attempt))
        await _unless_given_up(attempt, self._judge(model, cases, attempt))
        require(attempt)
        try:
            return await self.adopt(model)
        except ConflictError as error:
            raise RefusedError("version", str(error)) from error

    def _held(self, digest: str | None) -> LoadedModel | None:
        """The bundle where it is in memory already."""
        return next((m for m in self._standing.loaded if m.digest == digest), None)

    def _check_refused(self, announced: Announcement, digest: str | None) -> None:
        if digest is None:
            return
        if announced.rollout.again:
            self._refused.forgive(digest)
        self._refused.check(digest)

    def _delay(self, announced: Announcement) -> float:
        """A replica's own moment; another one for each bundle."""
        return self._settings.stagger_s * share_of(self._settings.replica, announced.bundle_uri)

    def _check_found(self, announced: Announcement, found: Found) -> None:
        version = found.manifest.version
        if announced.version is not None and announced.version != version:
            raise RefusedError(
                "version", f"the bundle's version is {version}, announced was {announced.version}"
            )
        if any(model.version == version for model in self._standing.loaded):
            raise RefusedError("version", f"version {version} is another bundle's here")
        room.check(found.manifest, self._settings.loading, self._settings.available)

    async def _try_out(
        self, model: LoadedModel, cases: tuple[GoldenCase, ...], attempt: Attempt
    ) -> LoadedModel:
        """What may serve. A page at a time, between members' pages where there is a moment."""
        active, settings = self._standing.active, self._settings
        if active is not None and not attempt.announcement.rollout.new_lineage:
            gates.check_lineage(model.vocabulary, active.vocabulary, active.manifest.vocabulary)
        with _refusing():
            for case in cases:
                await self._quietly(attempt, model.try_out, (case,))
        model.passed()
        try:
            if settings.rules is not None:
                model = model.with_rules(settings.rules)
            for case in cases[: gates.RULE_PAGES]:
                await self._quietly(attempt, gates.check_rules, model, case)
        except RulesError as error:
            raise RefusedError("rules", str(error)) from error
        return model if active is None else model.sharing(active)

    async def _quietly(
        self, attempt: Attempt, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        require(attempt)
        await self._prober.lull()
        await self._aside.run_calmly(work, *args, **kwargs)

    async def _judge(
        self, model: LoadedModel, cases: tuple[GoldenCase, ...], attempt: Attempt
    ) -> None:
        active = self._standing.active
        if active is None:
            return
        timed, ratio = Timed(), attempt.announcement.rollout.latency_ratio
        for turn in range(LATENCY_TURNS):
            require(attempt)
            timed = timed.plus(await self._prober.time(model, active, cases[: gates.RULE_PAGES]))
            if not timed.candidate:
                self._log.warning("no latency gate: the engine is full", version=model.version)
            try:
                gates.check_latency(timed, ratio)
            except RefusedError:
                # A busy moment must not cost a good bundle: the best of several counts.
                if turn == LATENCY_TURNS - 1:
                    raise
                await asyncio.sleep(LATENCY_PAUSE_S)
            else:
                return

    # Run on a thread of its own.

    def _read(
        self, fetched: Fetched, attempt: Attempt
    ) -> tuple[LoadedModel, tuple[GoldenCase, ...]]:
        try:
            # One at a time, those left behind too: memory is for one more bundle.
            with self._reading, _refusing():
                require(attempt)
                return LoadedModel.read(
                    fetched.folder, self._settings.loading, digest=fetched.digest
                )
        except RefusedError as error:
            # Our own copy went bad: that is not the bundle's fault.
            problem = damage(fetched)
            if problem is None:
                raise
            raise RefusedError("damaged", f"the copy here is broken: {problem}") from error


@contextmanager
def _refusing() -> Iterator[None]:
    """What a bundle is to blame for, as a refusal."""
    try:
        yield
    except RefusedError:
        raise
    except MemoryError as error:
        raise RefusedError("no-room", "there was no memory left to load it") from error
    except GenPageError as error:
        raise RefusedError("bundle", str(error)) from error


# Any: what a coroutine is sent is nobody's business here.
async def _unless_given_up(attempt: Attempt, work: Coroutine[Any, Any, T]) -> T:
    """What comes of it; `RefusedError` at once where nobody wants it any more meanwhile.

    A thread that it waits for goes on by itself until it notices.
    """
    doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(attempt.given_up.wait())
    try:
        await asyncio.wait((doing, gone), return_when=asyncio.FIRST_COMPLETED)
        require(attempt)
        return await doing
    finally:
        doing.cancel()
        gone.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


def require(attempt: Attempt) -> None:
    """Raise `RefusedError` where nobody wants it any more."""
    if not attempt.wanted:
        raise RefusedError("superseded", "something newer was announced, or decided, meanwhile")
