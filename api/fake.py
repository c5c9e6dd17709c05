"""A whole server on the fake backend: for tests and benchmarks, with no model file."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from api.live_catalog import LiveCatalog
from api.server import Options, Server, Stores
from genpage.audience import Audience, Audiences
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.request import PageRequest
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends
from rollout.bringer import Settings
from rollout.holding import temporary_folder
from rollout.rollout import Rollout
from runtime.arrays import FloatArray, IntArray
from runtime.backend import Head
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.fake import FakeBackend, FakeHead
from runtime.foresight import Foresight
from runtime.limits import Limits
from runtime.registry import Registry
from runtime.shared_calls import Clock
from runtime.worker import Worker
from streaming.direct import DirectSink
from streaming.memory import MemoryContextStore, MemoryPromptCache
from streaming.tracing import OFF, Tracing
from streaming.trending import LiveTrends
from tokenizer.appeal import PageAppeal
from tokenizer.grounds import Ground
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary

GENRES = ("Drama", "Comedy", "Crime", "Romance", "Mystery")
_PATIENCE_S = 30.0


def fake_catalog(entities: int = 400, rows: int = 24) -> Catalog:
    """Films ``e0``... of every genre; rows ``r0``... that take any of them."""
    films = [
        Entity(
            f"e{n}",
            "film",
            f"Film {n}",
            synopsis=f"What happened in {n}.",
            genres=(GENRES[n % len(GENRES)],),
            year=1990 + n % 30,
        )
        for n in range(entities)
    ]
    return Catalog.build(films, [Row(f"r{n}", "genre", f"Row {n}") for n in range(rows)])


class GatedBackend(FakeBackend):
    """A fake backend that can be held before each pass, to look at the server in between."""

    def __init__(self, slots: int = 4, capacity: int = 8192) -> None:
        super().__init__(slots, capacity)
        self._permits = threading.Semaphore(0)
        self._gated = False
        # Passes that were begun, those held before they ran included.
        self.begun = 0
        self.fail_with: Exception | None = None

    def hold(self) -> None:
        """From now on each pass waits for a permit of `let`."""
        self._gated = True

    def let(self, passes: int) -> None:
        """Let so many passes through."""
        for _ in range(passes):
            self._permits.release()

    def open(self) -> None:
        """Hold nothing any more."""
        self._gated = False
        self._permits.release()

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """One pass, once it may."""
        self.begun += 1
        if self._gated and not self._permits.acquire(timeout=_PATIENCE_S):
            raise TimeoutError("a held backend was forgotten")
        if self.fail_with is not None:
            raise self.fail_with
        return super().forward(chunks)


@dataclass(frozen=True, slots=True, eq=False)
class FakeServed:
    """An `api.served.Served` with no bundle behind it; what `LoadedModel` offers beyond, too."""

    catalog: Catalog
    backend: GatedBackend
    head: Head
    row_tokens: IntArray
    entity_tokens: IntArray
    encoder: PromptEncoder
    rules: Rules
    version: str = "fake-1"
    digest: str = "f" * 64
    created_at: float = 1_700_000_000.0
    exact: bool | None = True
    # Whether it has grounds to tell of.
    learnt: bool = False
    _bundled: Catalog | None = None

    @classmethod
    def of(cls, catalog: Catalog, rules: Rules | None = None) -> "FakeServed":
        """A model over a catalog."""
        vocabulary = Vocabulary().grown(catalog)
        row_tokens, entity_tokens = vocabulary.item_tokens(catalog)
        return cls(
            catalog,
            GatedBackend(),
            FakeHead(len(catalog.rows), len(catalog.entities)),
            row_tokens,
            entity_tokens,
            PromptEncoder(vocabulary),
            rules or Rules.default(),
        )

    @property
    def serialised(self) -> int | None:
        """As its prompts have it."""
        return self.encoder.serialised

    @property
    def foresight(self) -> Foresight | None:
        """None: it has no draft head."""
        return None

    @property
    def audiences(self) -> Audiences:
        """None are kept."""
        return Audiences(self.catalog, self.rules)

    def scope(self, audience: Audience | None) -> None:
        """All titles are scored."""
        del audience

    @property
    def bundled(self) -> Catalog:
        """The catalog that it was made with."""
        return self._bundled or self.catalog

    @property
    def trends(self) -> Trends:
        """No counts from training."""
        return Trends.none(self.catalog)

    def with_catalog(self, catalog: Catalog, trends: Trends) -> "FakeServed":
        """The same model over a newer snapshot."""
        del trends
        encoder = self.encoder.over(self.encoder.vocabulary.grown(catalog))
        row_tokens, entity_tokens = encoder.vocabulary.item_tokens(catalog)
        return replace(
            self,
            catalog=catalog,
            head=FakeHead(len(catalog.rows), len(catalog.entities)),
            row_tokens=row_tokens,
            entity_tokens=entity_tokens,
            encoder=encoder,
            _bundled=self.bundled,
        )

    def appeal(self, context: Context, request: PageRequest, trends: Trends) -> PageAppeal | None:
        """It learnt nothing of the moment."""
        del context, request, trends
        return None

    def grounds(
        self, context: Context, request: PageRequest, trends: Trends
    ) -> Mapping[Ground, FloatArray] | None:
        """A title owes as many logits as the member did something with it, and nothing else."""
        del trends
        if not self.learnt:
            return None
        acts = Counter(event.entity_id for event in context.before(request.at).events)
        owed = [acts[entity.id] for entity in self.catalog.entities]
        return {"own": np.array(owed, np.float32)}

    def with_rules(self, rules: Rules) -> "FakeServed":
        """The same model under other rules."""
        rules.check(self.catalog)
        return replace(self, rules=rules)


@dataclass(slots=True)
class FakeModels:
    """An `api.served.Models` of at most one bundle."""

    active: FakeServed | None
    previous: FakeServed | None = None

    @property
    def loaded(self) -> Sequence[FakeServed]:
        """What is in memory."""
        return [] if self.active is None else [self.active]

    def for_member(self, _: str) -> FakeServed | None:
        """The same for everybody."""
        return self.active

    def add(self, model: FakeServed) -> None:
        """It is the one."""
        self.active = model

    def replace(self, model: FakeServed) -> None:
        """It is the one."""
        self.active = model


@dataclass(slots=True)
class Logbook:
    """A logger's lines, kept instead of written."""

    lines: list[EventDict] = field(default_factory=list)

    def logger(self) -> FilteringBoundLogger:
        """A logger that writes here."""
        capture = structlog.testing.LogCapture()
        capture.entries = self.lines
        logger: FilteringBoundLogger = structlog.wrap_logger(
            None, processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(0)
        )
        return logger


@dataclass(frozen=True, slots=True)
class FakeServer:
    """A server, not started, and the parts that a test looks into."""

    server: Server
    models: FakeModels
    backend: GatedBackend
    contexts: MemoryContextStore
    prompts: MemoryPromptCache
    logbook: Logbook

    @classmethod
    def of(
        cls,
        *,
        options: Options | None = None,
        limits: Limits | None = None,
        served: FakeServed | None = None,
        clock: Clock = time.monotonic,
        log: FilteringBoundLogger | None = None,
        engine: Engine | None = None,
        tracing: Tracing = OFF,
    ) -> "FakeServer":
        """With embedded stores; the console is on unless ``options`` say otherwise.

        ``clock`` is the engine's, in monotonic seconds; ``engine`` is used instead of making one of
        ``limits`` and ``clock``. Without ``log``, lines go to the logbook.
        """
        served = served or FakeServed.of(fake_catalog())
        prompts, logbook = MemoryPromptCache(), Logbook()
        known = {served.encoder.digest: served.encoder.kept_tokens}
        contexts = MemoryContextStore(prompts=prompts, vocabularies=lambda: known)
        trends = LiveTrends(served.catalog)
        stores = Stores(
            contexts, prompts, DirectSink(contexts, trends), trends.snapshot, directory=contexts
        )
        models = FakeModels(served)
        # Nothing is drafted, so that a page takes the same passes each time it is asked for.
        limits = limits or Limits(batch=4, queue=8, speculation=False)
        worker = Worker(engine or Engine(limits, clock=clock))
        server = Server(
            models,
            worker,
            stores,
            options or Options(console=True),
            log or logbook.logger(),
            tracing=tracing,
            catalog=LiveCatalog(models, log or logbook.logger(), meet=trends.meet),
            rollout=_rollout(served, worker, log or logbook.logger()),
        )
        return cls(server, models, served.backend, contexts, prompts, logbook)

    async def is_idle(self) -> bool:
        """Whether the engine's own books show no page and every slot free."""
        stats = await self.server.worker.stats()
        slots = {0, self.backend.slots}  # 0: none was ever used
        return stats.live == stats.waiting == 0 and stats.free_slots in slots


def _rollout(served: FakeServed, worker: Worker, log: FilteringBoundLogger) -> Rollout:
    """A rollout beside the fake models: it refuses what it is given, which are no fakes."""
    registry = Registry[Any]()  # Any: a fake in the place of a loaded bundle
    registry.add(served)
    registry.activate(served.version)
    return Rollout(Settings(temporary_folder(), stagger_s=0.0), registry, worker, log)
