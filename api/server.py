"""Everything that runs while the server does, put together once and handed to the routes."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from structlog.typing import FilteringBoundLogger

from api.admin_gate import AdminAccess
from api.auth import Keys
from api.checkpoint_log import CheckpointLog
from api.explanations import Explanations
from api.live_catalog import LiveCatalog
from api.log_metrics import LogMetrics
from api.metrics import Metrics
from api.page_listener import PageListener
from api.page_publisher import PagePublisher
from api.page_store import Keeping, PageStore
from api.pages import LAST_STEP_S, Pages
from api.planner import Planner, TrendSource
from api.prompting import Prompting
from api.rollout_metrics import RolloutMetrics
from api.served import Models
from api.state_metrics import StateMetrics
from api.trial_listener import TrialListener
from genpage.catalog_changes import CatalogChanges, Change
from genpage.errors import UsageError
from genpage.exploration import NO_EXPLORATION, Exploration
from rollout.rollout import Rollout
from runtime.worker import Worker
from streaming.applier import Forget
from streaming.beside import Beside
from streaming.catalog_messages import read_change
from streaming.event_log import EventLog
from streaming.ports import ContextStore, Directory, EventSink, Members, PromptCache
from streaming.topics import CATALOG
from streaming.tracing import OFF, Tracing

if TYPE_CHECKING:
    from streaming.follower import Follower


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve; checked on construction."""

    keys: Keys = field(default_factory=Keys)
    keeping: Keeping = field(default_factory=Keeping)
    autoregressive: int = 4
    exploration: Exploration = NO_EXPLORATION
    grace_s: float = 10.0
    console: bool = False
    # What this server's bundles are announced under.
    model_name: str = "genpage"
    admin: AdminAccess = field(default_factory=AdminAccess)

    def __post_init__(self) -> None:
        """Refuse what cannot be served with, naming the option."""
        if self.autoregressive < 1:
            raise UsageError(f"--autoregressive must be at least 1, not {self.autoregressive}")
        if self.grace_s < 0:
            raise UsageError(f"--grace must not be negative, not {self.grace_s}")


class Connection(AbstractAsyncContextManager["Connection"], Protocol):
    """To a store outside of this process; entered whether or not that is there."""

    @property
    def available(self) -> bool:
        """Whether it answered lately."""
        ...

    @property
    def state(self) -> str:
        """``ok``, ``away``, ``stale`` while it is filled again, ``ended`` for a bug of ours."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """Where members' data is, and where their events go. ``directory`` lists members.

    ``members`` reads both at once, where that is better than one after the other; ``connection``
    is held while the server runs. ``event_log`` makes the log that feeds the store, given what
    forgets a member; events then go there instead of to ``sink``.
    """

    contexts: ContextStore
    prompts: PromptCache
    sink: EventSink
    trends: TrendSource
    directory: Directory | None = None
    # The newest event that was there at the start, Unix seconds: the clock of old data.
    newest: float | None = None
    event_log: Callable[[Forget, Tracing], EventLog] | None = None
    members: Members | None = None
    connection: Connection | None = None
    # Forgets a member in what this process alone remembers of the stores.
    near: Forget | None = None


class Server:
    """An async context manager: enter to start the engine and the pages, exit to end them."""

    def __init__(
        self,
        models: Models,
        worker: Worker,
        stores: Stores,
        options: Options,
        log: FilteringBoundLogger,
        *,
        tracing: Tracing = OFF,
        catalog: LiveCatalog[Any] | None = None,
        rollout: Rollout | None = None,
    ) -> None:
        self.models = models
        self.catalog = catalog
        self.rollout = rollout
        self.checkpoint_log: CheckpointLog | None = None
        self._catalog_follower: Follower[Change] | None = None
        # How often the catalog had been changed by what was on the topic at the start.
        self._catalog_said: int | None = None
        self.worker = worker
        self.stores = stores
        self.options = options
        self.log = log
        self.tracing = tracing
        self.metrics = Metrics()
        self.metrics.registry.register(StateMetrics(self))
        if rollout is not None:
            self.metrics.registry.register(RolloutMetrics(rollout))
            rollout.when_swapped.append(self.metrics.swap.observe)
        self.event_log = (
            None if stores.event_log is None else stores.event_log(self.forget, tracing)
        )
        self.sink = stores.sink if self.event_log is None else self.event_log.sink
        if self.event_log is not None:
            self.metrics.registry.register(LogMetrics(self.event_log))
            self.event_log.hear_erasures(self.forget_here)
            if catalog is not None:
                self._catalog_follower = self.event_log.follow(CATALOG, read_change, catalog.apply)
            if rollout is not None:
                self.checkpoint_log = CheckpointLog(
                    rollout, self.event_log, options.model_name, log
                )
        self._running = AsyncExitStack()
        prompting = Prompting(stores.prompts)
        self.planner = Planner(
            models,
            stores.members or Beside(stores.contexts, stores.prompts),
            prompting,
            stores.trends,
            degraded=self.degraded,
            tracing=tracing,
        )
        self.pages = Pages(
            worker,
            self.planner,
            PageStore(options.keeping),
            self.metrics,
            log,
            autoregressive=options.autoregressive,
            exploration=options.exploration,
            explained=options.console,
            listeners=self._listeners(),
            tracing=tracing,
            changes=CatalogChanges if catalog is None else lambda: catalog.changes,
        )
        self.explanations = Explanations()

    def _listeners(self) -> list[PageListener]:
        listeners: list[PageListener] = []
        if self.rollout is not None:
            listeners.append(TrialListener(self.rollout, self.options.exploration))
        if self.event_log is not None:
            listeners.append(PagePublisher(self.event_log.pages, self.options.exploration))
        return listeners

    async def __aenter__(self) -> Self:
        self.worker.start()
        await self.pages.__aenter__()
        if self.catalog is not None:
            await self._running.enter_async_context(self.catalog)
        if self.rollout is not None:
            await self._running.enter_async_context(self.rollout)
        if self.stores.connection is not None:
            await self._running.enter_async_context(self.stores.connection)
        if self.event_log is not None:
            await self._running.enter_async_context(self.event_log)
        if self.checkpoint_log is not None:
            await self._running.enter_async_context(self.checkpoint_log)
        if self.rollout is not None:
            self.rollout.announce_start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Ends what is still running at once; `drain` first for a graceful end."""
        try:
            # The engine's thread is a daemon: one stuck in a pass ends with the process.
            async with asyncio.timeout(LAST_STEP_S):
                await self.worker.close()
        except TimeoutError:
            self.log.warning("the engine does not end")
        await self.pages.__aexit__(*failure)
        await self._running.aclose()
        await self.tracing.close()

    @property
    def parts(self) -> dict[str, str]:
        """The state of each part: ``ok``, one that heals by itself, or one that does not."""
        connection = self.stores.connection
        return {
            "bundle": "none" if self.models.active is None else "ok",
            "engine": "ok" if self.worker.alive else "dead",
            "admission": "draining" if self.draining else "ok",
            "context-store": "ok" if connection is None else connection.state,
            "events": "ok" if self.event_log is None else self.event_log.state,
            "catalog": self.catalog_state,
            "checkpoints": self.checkpoints_state,
        }

    @property
    def checkpoints_state(self) -> str:
        """How announced bundles are taken up: ``ok`` where there is nothing to follow."""
        if self.rollout is not None and self.rollout.state != "ok":
            return self.rollout.state
        return "ok" if self.checkpoint_log is None else self.checkpoint_log.state

    @property
    def draining(self) -> bool:
        """Whether the end has been announced."""
        return self.pages.admission.closed

    def degraded(self) -> tuple[str, ...]:
        """What pages are made without at this moment, beside what their own reading finds."""
        away = []
        if self.event_log is not None and self.event_log.stale:
            away.append("events")
        if self.catalog_state in {"ended", "stale"} or not self._catalog_whole:
            away.append("catalog")
        return tuple(away)

    @property
    def catalog_state(self) -> str:
        """How the catalog's changes arrive: a follower's state, or ``stale`` where none is built.

        ``stale`` too while what was on the topic at the start is not in the snapshots yet; ``ok``
        without a broker, since nothing changes then.
        """
        if self.catalog is not None and self.catalog.failed:
            return "stale"
        follower = self._catalog_follower
        state = "ok" if follower is None else follower.state
        return "stale" if state == "ok" and not self._catalog_whole else state

    @property
    def _catalog_whole(self) -> bool:
        """Whether pages are made with all that was on the topic at the start.

        Before, they may show what was withdrawn long ago.
        """
        follower, catalog = self._catalog_follower, self.catalog
        if follower is None or catalog is None:
            return True
        if self._catalog_said is None:
            if not follower.caught_up.is_set():
                return False
            self._catalog_said = catalog.said
        return catalog.covered >= self._catalog_said

    async def drain(self) -> None:
        """Take on nothing new; returns when every page has ended or been cut short."""
        self.log.info("draining", pages=len(self.pages.store.running()))
        await self.pages.drain(self.options.grace_s)
        await asyncio.sleep(0)  # the streams' last events are on their way

    async def erase(self, user_id: str) -> None:
        """Forget a member in every store, cache and memory of ours."""
        await self.sink.erase(user_id)
        await self.forget(user_id)

    async def forget(self, user_id: str, at: float | None = None) -> None:
        """Forget a member here; ``at`` is when the event log says so, and what is newer stays."""
        await self.stores.contexts.erase(user_id, at)
        await self.stores.prompts.erase(user_id)
        await self.forget_here(user_id, at)

    async def forget_here(self, user_id: str, at: float | None = None) -> None:
        """Forget a member in this process, whether or not the stores are there."""
        if self.stores.near is not None:
            await self.stores.near(user_id, at)
        await self.pages.erase(user_id)
        if self.event_log is not None:
            # Last, since pages that were stopped for it are told too.
            self.event_log.pages.forget(user_id)
