"""What stays: bundles in memory and on the disk, and what is remembered for the next start."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from rollout.active import ActiveBundle, Handled, Held
from rollout.aside import Aside
from rollout.bringer import Bringer, Settings
from rollout.refused import Refused
from rollout.status import Named
from runtime.heap import give_back
from runtime.model import LoadedModel
from runtime.registry import Registry


class Keeper:
    """Owned by the rollout. What is slow of it is done aside, and delays no page."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry[LoadedModel],
        bringer: Bringer,
        refused: Refused,
        aside: Aside,
        log: FilteringBoundLogger,
        *,
        remembered: ActiveBundle | None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._bringer = bringer
        self._refused = refused
        self._aside = aside
        self._log = log
        self._previous = None if remembered is None else remembered.previous
        # By version, of what is loaded.
        self._held: dict[str, Held] = {}
        if remembered is not None:
            self._held[remembered.version] = remembered.held
        self._keeping = asyncio.Lock()

    def note(self, model: LoadedModel, uri: str) -> None:
        """A bundle was fetched from ``uri`` and loaded."""
        if model.version not in self._held:
            folder = str(self._settings.staging / model.digest)
            self._held[model.version] = Held(model.version, model.digest, folder, uri)

    def named(self, model: LoadedModel | None) -> Named | None:
        """A bundle by name and origin."""
        if model is None:
            return None
        held = self._held.get(model.version)
        uri = "" if held is None else held.bundle_uri or Path(held.folder).absolute().as_uri()
        return Named(model.version, model.digest, uri)

    async def bring_previous_back(self) -> None:
        """After a restart, load what a rollback would give."""
        held = self._previous
        if held is None or self._registry.previous is not None:
            return
        settings = self._settings
        try:
            model = await self._aside.run(
                LoadedModel.load, Path(held.folder), settings.loading, digest=held.digest
            )
            if settings.rules is not None:
                model = model.with_rules(settings.rules)
            await self._bringer.adopt(model)
            self._held[model.version] = held
            if self._registry.previous is None:
                self._registry.remember(model.version)
        except Exception as error:  # noqa: BLE001 - a rollback is then not there; pages are
            self._log.warning("the earlier bundle is gone", version=held.version, why=str(error))

    async def keep(
        self,
        released: list[LoadedModel],
        arriving: Callable[[], set[str]],
        handled: Handled | None,
    ) -> None:
        """Remember what stands, free what was ``released``, and tidy the disk.

        ``arriving`` gives the digests of what is being fetched, or will be again; it is asked on
        another thread. What fails is logged, and done again after the next change.
        """
        # At once: what comes back under the same version meanwhile is noted anew.
        for model in released:
            self._held.pop(model.version, None)
        async with self._keeping:
            await self._aside.run(self._tidy, released, arriving, self._standing(handled))

    def _standing(self, handled: Handled | None) -> ActiveBundle | None:
        active, previous = self._registry.active, self._registry.previous
        held = None if active is None else self._held.get(active.version)
        if held is None:
            return None
        before = None if previous is None else self._held.get(previous.version)
        return ActiveBundle(
            held.version, held.digest, held.folder, held.bundle_uri, before, handled
        )

    # Run on a thread of its own.

    def _tidy(
        self,
        released: list[LoadedModel],
        arriving: Callable[[], set[str]],
        standing: ActiveBundle | None,
    ) -> None:
        state_dir = self._settings.state_dir
        if standing is not None and state_dir is not None:
            self._trying(partial(standing.remember, state_dir), "the active bundle")
        self._trying(self._refused.write, "the refused bundles")
        needed = partial(self._needed, arriving)
        self._trying(partial(self._bringer.fetcher.keep_only, needed), "what was fetched")
        freed = bool(released)
        # The last reference to most of it: unmapping takes its time.
        released.clear()
        if freed:
            give_back()

    def _needed(self, arriving: Callable[[], set[str]]) -> set[str]:
        # In this order: what has arrived is loaded before it counts as arriving no more.
        coming = arriving()
        return coming | {model.digest for model in self._registry.loaded}

    def _trying(self, work: Callable[[], None], what: str) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - pages go on without it
            self._log.exception("the state folder cannot be kept", of=what, why=str(error))
