"""From an announcement to a bundle that may serve: fetch, verify, load aside, gate."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from genpage.errors import ConflictError, GenPageError, RulesError
from genpage.rules import Rules
from rollout import gates, memory
from rollout.announcement import Announcement
from rollout.aside import Aside
from rollout.attempt import Attempt
from rollout.canary import share_of
from rollout.fetch import Bounds, Fetched, Fetcher, Found
from rollout.probe import Prober
from rollout.refusal import RefusedError
from rollout.refused import Refused
from rollout.source import Sources
from runtime.bundle import GOLDEN
from runtime.cases import GoldenCase, parse_cases
from runtime.model import LoadedModel, LoadSettings

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
        self._log = log

    async def bring(self, attempt: Attempt, tell: Callable[[], None]) -> LoadedModel:
        """The announced bundle, loaded and registered; `RefusedError` where it may not serve.

        Changes the attempt's state, and calls ``tell`` each time.
        """

        def now(state: str) -> None:
            attempt.state = state  # type: ignore[assignment]  # a literal of `State`
            tell()
            require(attempt)

        announced = attempt.announcement
        self._check_refused(announced, announced.digest)
        held = self._held(announced.digest)
        if held is not None:
            return held
        await asyncio.sleep(self._delay(announced))
        now("fetching")
        found = await self._aside.run(self.fetcher.find, announced.bundle_uri, announced.digest)
        attempt.digest, attempt.version = found.digest, found.manifest.version
        self._check_refused(announced, found.digest)
        held = self._held(found.digest)
        if held is not None:
            return held
        self._check_found(announced, found)
        fetched = await self._aside.run(self.fetcher.fetch, found, lambda: attempt.wanted)
        now("loading")
        model, cases = await self._aside.run(self._load, fetched, announced)
        now("judging")
        await self._judge(model, cases, announced)
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
        memory.check(found.manifest, self._settings.loading.slots, self._settings.available)

    # Run on a thread of its own.

    def _load(
        self, fetched: Fetched, announced: Announcement
    ) -> tuple[LoadedModel, tuple[GoldenCase, ...]]:
        active, settings = self._standing.active, self._settings
        try:
            model = LoadedModel.load(fetched.folder, settings.loading, digest=fetched.digest)
            cases = parse_cases((fetched.folder / GOLDEN).read_bytes())
        except MemoryError as error:
            raise RefusedError("no-room", "there was no memory left to load it") from error
        except GenPageError as error:
            raise RefusedError("bundle", str(error)) from error
        if active is not None and not announced.rollout.new_lineage:
            gates.check_lineage(model.vocabulary, active.vocabulary, active.manifest.vocabulary)
        try:
            if settings.rules is not None:
                model = model.with_rules(settings.rules)
            gates.check_rules(model, cases)
        except RulesError as error:
            raise RefusedError("rules", str(error)) from error
        return model, cases

    async def _judge(
        self, model: LoadedModel, cases: tuple[GoldenCase, ...], announced: Announcement
    ) -> None:
        active = self._standing.active
        if active is None:
            return
        timed = await self._prober.time(model, active, cases[: gates.RULE_PAGES])
        if not timed.candidate:
            self._log.warning("no latency gate: the engine is full", version=model.version)
        gates.check_latency(timed, announced.rollout.latency_ratio)


def require(attempt: Attempt) -> None:
    """Raise `RefusedError` where nobody wants it any more."""
    if not attempt.wanted:
        raise RefusedError("superseded", "something newer was announced, or decided, meanwhile")
