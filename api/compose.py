"""The composition root: from settings to a server with everything in it.

Without configuration everything is embedded: stores in memory, no broker. Takes seconds, since the
bundle is checked and tried out; nothing is served before.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from structlog.typing import FilteringBoundLogger
from threadpoolctl import threadpool_limits

from api.fill import Filled, fill
from api.live_catalog import LiveCatalog
from api.server import Options, Server, Stores
from api.tracing import to_collector
from dataset.folder import DataFolder
from genpage.catalog import Catalog
from genpage.errors import BundleError, UsageError
from genpage.rules import Rules
from rollout.active import ActiveBundle
from rollout.bringer import Settings as RolloutSettings
from rollout.fetch import Fetcher
from rollout.holding import temporary_folder
from rollout.refusal import RefusedError
from rollout.rollout import Rollout
from rollout.source import Sources
from runtime.cores import Cores, available
from runtime.device import CPU, Device
from runtime.engine import Engine
from runtime.limits import Limits
from runtime.manifest import MANIFEST
from runtime.model import LoadedModel, LoadSettings
from runtime.registry import Registry
from runtime.sessions import SessionSettings, check_available
from runtime.verdicts import Verdicts
from runtime.worker import Worker
from streaming.applier import Forget
from streaming.broker import Broker
from streaming.direct import DirectSink
from streaming.event_log import EventLog
from streaming.memory import MemoryContextStore, MemoryPromptCache
from streaming.ports import ContextStore, Vocabularies
from streaming.recent import Recent
from streaming.redis_client import RedisClient
from streaming.redis_context import RedisContextStore
from streaming.redis_directory import RedisDirectory
from streaming.redis_epoch import RedisEpoch
from streaming.redis_erasures import RedisErasures
from streaming.redis_filling import FilledRedis
from streaming.redis_members import RedisMembers
from streaming.redis_prompts import RedisPromptCache
from streaming.tracing import Tracing
from streaming.trending import LiveTrends


@dataclass(frozen=True, slots=True)
class Settings:
    """What to serve, and how. ``threads`` 0 is one a core."""

    bundle: Path | None = None
    data: Path | None = None
    state_dir: Path | None = None
    rules: Path | None = None
    device: Device = CPU
    threads: int = 0
    # Whether the model and the event loop stay on cores of their own, where there are enough.
    pin: bool = False
    # Whether the model's threads poll while a pass runs (`runtime.sessions`).
    spinning: bool = True
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=Options)
    kafka: Broker | None = None
    redis_url: str | None = None
    # A collector's whole URL.
    otlp_endpoint: str | None = None
    # What this server is called in statuses, and where bundles may come from beside ``file:``.
    replica: str = "genpage"
    checkpoint_sources: tuple[str, ...] = ()
    swap_stagger_s: float = 5.0

    @property
    def cores(self) -> Cores:
        """Whose which cores are."""
        return Cores.apart(available() if self.pin else (), self.threads)

    @property
    def session(self) -> SessionSettings:
        """How the model's graphs run."""
        return SessionSettings(self.threads, self.spinning, self.cores.model, self.device)


def compose(settings: Settings, log: FilteringBoundLogger) -> Server:
    """A server that waits to be started.

    Raises `BundleError`, `RulesError`, `DatasetError` or `UsageError` for what it is given.
    """
    check_available(settings.device)
    # NumPy's products on a page's way are small: threads that share one wait for each other.
    threadpool_limits(1, user_api="blas")
    models = Registry[LoadedModel]()
    model, remembered = _model(settings, log)
    if model is None:
        log.warning("no bundle", hint="give --bundle; until then pages are answered with 503")
    else:
        models.add(model)
        models.activate(model.version)
        log.info("bundle loaded", version=model.version, digest=model.digest)
    worker = Worker(Engine(settings.limits), settings.cores.model)
    trends = LiveTrends(Catalog.build([], []) if model is None else model.catalog)
    stores = _stores(settings, model, trends, _vocabularies(models), log)
    tracing = to_collector(settings.otlp_endpoint)
    catalog = LiveCatalog(models, log, meet=trends.meet)

    async def adopt(loaded: LoadedModel) -> LoadedModel:
        adopted = await catalog.adopt(loaded)
        if trends.untouched:  # the first bundle, and no event yet
            trends.seed(loaded.trends, loaded.created_at, loaded.catalog)
        return adopted

    rollout = Rollout(
        _rollout_settings(settings),
        models,
        worker,
        log,
        remembered=remembered,
        adopt=adopt,
        trends=lambda model: stores.trends(None, model.catalog),
        autoregressive=settings.options.autoregressive,
    )
    server = Server(
        models,
        worker,
        stores,
        settings.options,
        log,
        tracing=tracing,
        catalog=catalog,
        rollout=rollout,
    )
    if isinstance(stores.connection, FilledRedis):
        stores.connection.when_erased(server.pages.erase)
    return server


def _rollout_settings(settings: Settings) -> RolloutSettings:
    kept = settings.state_dir
    return RolloutSettings(
        # Without a folder of the operator's, in one of our own that ends with the server.
        staging=temporary_folder() if kept is None else _fetched(kept),
        replica=settings.replica,
        state_dir=kept,
        sources=Sources(settings.checkpoint_sources),
        stagger_s=settings.swap_stagger_s,
        loading=_loading(settings),
        rules=None if settings.rules is None else Rules.load(settings.rules),
    )


def _loading(settings: Settings) -> LoadSettings:
    limits, kept = settings.limits, settings.state_dir
    return LoadSettings(
        limits.slots,
        settings.session,
        limits.batch,
        limits.kv_bytes,
        Verdicts.of_user() if kept is None else Verdicts(kept.resolve() / "verified"),
        # A container's temporary folder is often memory; its state is on a disk.
        None if kept is None else kept.resolve() / "packed",
    )


def _fetched(state_dir: Path) -> Path:
    """Where bundles of our own lie."""
    return state_dir.resolve() / "fetched"


def _model(
    settings: Settings, log: FilteringBoundLogger
) -> tuple[LoadedModel | None, ActiveBundle | None]:
    """The bundle to begin with, and what is remembered of it."""
    model, active = _remembered(settings, log)
    if model is None and settings.bundle is not None:
        handled = None if active is None else active.handled
        folder, uri = _own_copy(settings.bundle, settings, log), settings.bundle.resolve().as_uri()
        model = LoadedModel.load(folder, _loading(settings))
        active = ActiveBundle(
            model.version, model.digest, str(folder.resolve()), uri, handled=handled
        )
        if settings.state_dir is not None:
            active.remember(settings.state_dir)
    if model is not None and settings.rules is not None:
        model = model.with_rules(Rules.load(settings.rules))
    return model, None if model is None else active


def _own_copy(bundle: Path, settings: Settings, log: FilteringBoundLogger) -> Path:
    """A copy that a later export does not change under what is remembered; else the bundle."""
    if settings.state_dir is None:
        return bundle
    fetcher = Fetcher(_fetched(settings.state_dir), Sources())
    try:
        found = fetcher.find(bundle.resolve().as_uri(), None)
        return fetcher.fetch(found, lambda: True).folder
    except (RefusedError, OSError) as error:
        # Loading it tells what is wrong with it, if anything is.
        log.warning("the bundle is served from where it lies", why=str(error))
        return bundle


def _remembered(
    settings: Settings, log: FilteringBoundLogger
) -> tuple[LoadedModel | None, ActiveBundle | None]:
    """The bundle that was active last, else the one before, where it is still what it was.

    What is remembered is there without a model too: announcements that were dealt with stay so.
    """
    if settings.state_dir is None:
        return None, None
    if settings.state_dir.exists() and not settings.state_dir.is_dir():
        raise UsageError(f"--state-dir {settings.state_dir} is a file; give a folder")
    active = ActiveBundle.recall(settings.state_dir, log)
    if active is None:
        return None, None
    for held in (active.held, active.previous):
        if held is None:
            continue
        try:
            model = LoadedModel.load(Path(held.folder), _loading(settings), digest=held.digest)
        except BundleError as error:
            log.warning("the bundle that was active is gone", version=held.version, why=str(error))
            continue
        if settings.bundle is not None and _digest_of(settings.bundle) != held.digest:
            log.warning(
                "--bundle is passed over",
                active=held.version,
                why="the version that was active before the restart goes first",
            )
        before = active.previous if held == active.held else None
        uri = held.bundle_uri
        return model, ActiveBundle(
            held.version, held.digest, held.folder, uri, before, active.handled
        )
    return None, active


def _digest_of(bundle: Path) -> str | None:
    try:
        return hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return None


def _vocabularies(models: Registry[LoadedModel]) -> Vocabularies:
    """Those of the loaded bundles, as they come and go."""
    return lambda: {model.encoder.digest: model.encoder.kept_tokens for model in models.loaded}


def _stores(
    settings: Settings,
    model: LoadedModel | None,
    trends: LiveTrends,
    vocabularies: Vocabularies,
    log: FilteringBoundLogger,
) -> Stores:
    prompts = MemoryPromptCache()
    memory = MemoryContextStore(prompts=prompts, vocabularies=vocabularies)
    catalog = Catalog.build([], []) if model is None else model.catalog
    filled = Filled(0, 0, None)
    if settings.data is not None:
        filled = fill(DataFolder(settings.data), memory, trends, catalog)
        log.info("context store filled", members=filled.members, events=filled.events)
        if filled.histories_lost or filled.members_lost:
            log.warning(
                "the data has more members than the context store holds",
                histories_lost=filled.histories_lost,
                members_lost=filled.members_lost,
                hint="pages of a member without history are made as for a new one; without a "
                "profile the rules' without_profile applies",
            )
    elif model is not None:
        trends.seed(model.trends, model.created_at)
    if settings.redis_url is not None:
        return _redis_stores(settings, vocabularies, memory, trends, filled.newest, log)

    async def near(user_id: str, at: float | None) -> None:
        await memory.erase(user_id, at)
        await prompts.erase(user_id)

    return Stores(
        contexts=memory,
        prompts=prompts,
        sink=DirectSink(memory, trends),
        trends=trends.snapshot,
        directory=memory,
        newest=filled.newest,
        event_log=_event_log(settings.kafka, memory, trends, log),
        near=near,
    )


def _redis_stores(
    settings: Settings,
    vocabularies: Vocabularies,
    data: MemoryContextStore,
    trends: LiveTrends,
    newest: float | None,
    log: FilteringBoundLogger,
) -> Stores:
    """The stores in Redis, filled with the ``data`` where nothing was ever in it."""

    def changed(available: bool, why: str) -> None:
        if available:
            log.info("the context store is there")
        else:
            hint = "pages say degraded meanwhile"
            log.warning("the context store is away", why=why, hint=hint)

    def refused(why: str) -> None:
        log.warning("the context store refuses", why=why)

    recent = Recent()
    client = RedisClient(settings.redis_url or "", when_changed=changed, when_refused=refused)
    contexts = RedisContextStore(client, recent, vocabularies=vocabularies)
    epoch, erasures = RedisEpoch(client, contexts, log), RedisErasures(client, recent, log)

    async def near(user_id: str, _: float | None) -> None:
        recent.erase(user_id)

    return Stores(
        contexts=contexts,
        prompts=RedisPromptCache(client),
        sink=DirectSink(contexts, trends),
        trends=trends.snapshot,
        directory=RedisDirectory(client, contexts),
        newest=newest,
        event_log=_event_log(settings.kafka, contexts, trends, log, epoch),
        members=RedisMembers(client, contexts, recent, whole=lambda: epoch.whole),
        connection=FilledRedis(client, contexts, data.held(), epoch, erasures, log),
        near=near,
    )


def _event_log(
    broker: Broker | None,
    store: ContextStore,
    trends: LiveTrends,
    log: FilteringBoundLogger,
    epoch: RedisEpoch | None = None,
) -> Callable[[Forget, Tracing], EventLog] | None:
    if broker is None:
        return None

    mine = uuid.uuid4().hex

    async def of_this_process() -> str:
        """What a store in memory has is gone with it, and is read again by whoever is next."""
        return mine

    def log_of(forget: Forget, tracing: Tracing) -> EventLog:
        begin = of_this_process if epoch is None else epoch.begin
        made = EventLog(broker, store, trends, log, forget=forget, epoch=begin, tracing=tracing)
        if epoch is not None:
            epoch.feed = made.consumer
        return made

    return log_of
