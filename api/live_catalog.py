"""The catalog as it changes while bundles serve: snapshots built aside, swapped in one assignment.

A change is folded in when its message arrives; a snapshot follows once changes pause, or after a
while of changes. It is built in a thread for every loaded model, since each scores it with a head
of its own; one that cannot be fitted keeps no other from it. Pages that are in flight keep the
snapshot that they began with; what was withdrawn meanwhile is taken out of the rows that they have
not sent.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, Protocol, Self, TypeVar

from structlog.typing import FilteringBoundLogger

from genpage.catalog import Catalog
from genpage.catalog_changes import CatalogChanges, Change
from genpage.errors import NotFoundError
from genpage.trends import Trends
from rollout.aside import Aside
from streaming.ending import ended

# A snapshot waits for a pause in the changes, but no longer than the other. Seconds.
QUIET_S: Final = 0.1
LONGEST_S: Final = 1.0
# A snapshot that could not be built is tried again with the next change, or after as many seconds.
AGAIN_S: Final = 30.0
# Changes that never pause must not have snapshots built all the time: so many times what the last
# one took is waited before the next, and no longer than the seconds.
REST: Final = 2.0
MOST_REST_S: Final = 30.0
# At the end, until what is being built is left to itself. Seconds.
CLOSE_S: Final = 1.0


class Snapshotting(Protocol):
    """A loaded model of which there may be newer snapshots."""

    @property
    def version(self) -> str:
        """The bundle's version."""
        ...

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The snapshot's catalog."""
        ...

    @property
    def bundled(self) -> Catalog:
        """The catalog that the bundle was exported with."""
        ...

    @property
    def trends(self) -> Trends:
        """What was watched when it was exported, by the indices of ``catalog``."""
        ...

    def with_catalog(self, catalog: Catalog, trends: Trends) -> Self:
        """The same over a newer snapshot; takes its time."""
        ...


async def nothing(_: Catalog) -> None:
    """Nobody has to know of a snapshot before it serves."""


Model = TypeVar("Model", bound=Snapshotting)


class Loaded(Protocol[Model]):
    """The models in memory: a `runtime.registry.Registry`."""

    @property
    def loaded(self) -> Sequence[Model]:
        """All of them."""
        ...

    def add(self, model: Model) -> None:
        """A model is in memory."""
        ...

    def replace(self, model: Model) -> None:
        """A newer snapshot takes the place of its version; `NotFoundError` where that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """The snapshots that were swapped in last: when (Unix seconds), and what that took."""

    at: float
    seconds: float
    entities: int
    rows: int


class LiveCatalog(Generic[Model]):
    """Owned by the event loop; an async context manager, within which snapshots are built."""

    def __init__(
        self,
        models: Loaded[Model],
        log: FilteringBoundLogger,
        *,
        aside: Aside | None = None,
        meet: Callable[[Catalog], Awaitable[None]] = nothing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``meet`` is awaited with each snapshot's catalog before pages are made with it."""
        # What was said so far; replaced whole, so whoever holds it holds it unchanged.
        self.changes = CatalogChanges()
        # None before the first.
        self.built: Built | None = None
        self.snapshots = 0
        # Whether the last attempt at a snapshot failed, so that pages are made from an older one.
        self.failed = False
        self._models = models
        self._log = log
        self._clock = clock
        self._aside = aside or Aside()
        self._meet = meet
        # How often something was said, and up to where all loaded models have it.
        self.said = 0
        self.covered = 0
        self._news = asyncio.Event()
        # Snapshots of one bundle follow each other: their tokens are told in the order they come.
        self._building = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        # Those of `adopt`, which outlive their callers.
        self._fitting: set[asyncio.Task[Model]] = set()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name="live-catalog")
        return self

    async def __aexit__(self, *failure: object) -> None:
        """A snapshot that is being built is thrown away."""
        assert self._keeper is not None
        self._aside.close()
        tasks = {self._keeper, *self._fitting}
        for task in tasks:
            task.cancel()
        await ended(tasks, CLOSE_S, self._log)

    @property
    def pending(self) -> bool:
        """Whether there are changes that pages are not made with yet."""
        return self.covered < self.said or self._building.locked() or self.failed

    async def apply(self, changes: Sequence[Change]) -> None:
        """Take changes up; a snapshot follows."""
        after = self.changes.then(changes)
        if after is not self.changes:
            self.changes = after
            self.said += 1
            self._news.set()

    async def adopt(self, model: Model) -> Model:
        """Have a model in memory, freshly loaded, with all that changed since it was exported.

        A caller that is cancelled gets nothing into memory; no other snapshot is built until the
        thread that is at it has ended.
        """
        wanted = asyncio.Event()
        wanted.set()
        fitting = asyncio.create_task(self._fit(model, wanted), name="adopt")
        self._fitting.add(fitting)
        fitting.add_done_callback(self._adopted)
        try:
            return await asyncio.shield(fitting)
        except asyncio.CancelledError:
            wanted.clear()
            raise

    async def _fit(self, model: Model, wanted: asyncio.Event) -> Model:
        async with self._building:
            changes = self.changes
            fitted = await self._aside.run(_fitted, model, changes)
            await self._meet(fitted.catalog)
            if wanted.is_set():
                self._models.add(fitted)
        if changes is not self.changes:
            self._news.set()
        return fitted

    def _adopted(self, fitting: asyncio.Task[Model]) -> None:
        self._fitting.discard(fitting)
        if not fitting.cancelled():
            fitting.exception()  # looked at: a caller that was cancelled does not

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S if self.failed else None):
                    await self._news.wait()
            await self._pause()
            self._news.clear()
            begun = time.monotonic()
            self.failed = not await self._swap()
            await asyncio.sleep(min(MOST_REST_S, REST * (time.monotonic() - begun)))

    async def _pause(self) -> None:
        """Wait until no change came for a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                while True:
                    self._news.clear()
                    try:
                        async with asyncio.timeout(QUIET_S):
                            await self._news.wait()
                    except TimeoutError:
                        return

    async def _swap(self) -> bool:
        """Whether every loaded model has what was said; where one has not, it is told why."""
        async with self._building:
            begun, changes, said = time.monotonic(), self.changes, self.said
            fitted, failed = [], False
            for model in self._models.loaded:
                try:
                    newer = await self._aside.run(_fitted, model, changes)
                    if newer is not model:
                        await self._meet(newer.catalog)
                        with suppress(NotFoundError):  # it was let go meanwhile
                            self._models.replace(newer)
                            fitted.append(newer)
                except Exception:  # noqa: BLE001 - its older snapshot serves on, and it is told
                    failed = True
                    self._log.exception(
                        "the catalog's snapshot cannot be built",
                        bundle=model.version,
                        retry_s=AGAIN_S,
                    )
            seconds = time.monotonic() - begun
        if not failed:
            self.covered = said
        for model in fitted[:1]:
            catalog = model.catalog
            counts = {"entities": len(catalog.entities), "rows": len(catalog.rows)}
            self.built = Built(self._clock(), seconds, **counts)
            self.snapshots += 1
            took = round(seconds, 3)
            self._log.info("catalog snapshot", version=catalog.version, seconds=took, **counts)
        return not failed


def _fitted(model: Model, changes: CatalogChanges) -> Model:
    """The model with the changes; itself where they change nothing. Run in a thread."""
    catalog = changes.over(model.bundled)
    if catalog is model.catalog or catalog.version == model.catalog.version:
        return model
    catalog.prepare()
    return model.with_catalog(catalog, model.trends.moved(model.catalog, catalog))
