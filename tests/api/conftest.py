"""A whole server on a fake backend, in this process: no model file, no socket unless asked for."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import structlog
from fastapi import FastAPI

from api.app import create_app
from api.server import Options, Server, Stores
from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.row import Row, Where
from genpage.rules import Rules
from runtime.arrays import FloatArray, IntArray
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.fake import FakeBackend, FakeHead
from runtime.limits import Limits
from runtime.worker import Worker
from streaming.direct import DirectSink
from streaming.memory import MemoryContextStore, MemoryPromptCache
from streaming.trending import LiveTrends
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary

GENRES = ("Drama", "Comedy", "Crime", "Romance", "Mystery")


def catalog(entities: int = 400, rows: int = 24) -> Catalog:
    """Films of every genre, and rows of each genre by decade."""
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
    shelves = [Row(f"r{n}", "genre", f"Row {n}", where=Where()) for n in range(rows)]
    return Catalog.build(films, shelves)


class GatedBackend(FakeBackend):
    """A fake backend that can be held before any pass, to look at the server in between."""

    def __init__(self, slots: int = 4, capacity: int = 4096) -> None:
        super().__init__(slots, capacity)
        self._gate = threading.Semaphore(0)
        self._closed = False
        self.passes = 0

    def hold(self) -> None:
        """From now on every pass waits for `let`."""
        self._closed = True

    def let(self, passes: int) -> None:
        """Let so many passes through."""
        for _ in range(passes):
            self._gate.release()

    def open(self) -> None:
        """Hold nothing any more."""
        self._closed = False
        self._gate.release()

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """One pass, once it may."""
        if self._closed:
            assert self._gate.acquire(timeout=30)
        self.passes += 1
        return super().forward(chunks)


@dataclass(frozen=True, eq=False)
class FakeServed:
    """A loaded bundle that is none."""

    catalog: Catalog
    backend: GatedBackend
    head: FakeHead
    row_tokens: IntArray
    entity_tokens: IntArray
    prompts: PromptEncoder
    rules: Rules
    digest: str = "f" * 64
    version: str = "fake-1"
    created_at: float = 1_700_000_000.0

    @classmethod
    def of(cls, snapshot: Catalog, **changes: object) -> "FakeServed":
        """A model over a catalog."""
        vocabulary = Vocabulary().grown(snapshot)
        row_tokens, entity_tokens = vocabulary.item_tokens(snapshot)
        head = FakeHead(len(snapshot.rows), len(snapshot.entities))
        made = cls(
            snapshot,
            GatedBackend(),
            head,
            row_tokens,
            entity_tokens,
            PromptEncoder(vocabulary),
            Rules.default(),
        )
        made.__dict__.update(changes)
        return made


@dataclass
class FakeModels:
    """One bundle, or none."""

    active: FakeServed | None
    previous: FakeServed | None = None

    @property
    def loaded(self) -> Sequence[FakeServed]:
        """What is in memory."""
        return [] if self.active is None else [self.active]


@dataclass
class Bench:
    """A server that runs, a client that calls it without a socket, and what tests look into."""

    server: Server
    app: FastAPI
    client: httpx.AsyncClient
    backend: GatedBackend
    contexts: MemoryContextStore
    prompts: MemoryPromptCache
    log: list[dict[str, object]] = field(default_factory=list)

    async def engine_is_idle(self) -> bool:
        """Whether the engine's own books show no page and every slot free."""
        stats = await self.server.worker.stats()
        idle = stats.live == stats.waiting == 0
        return idle and stats.free_slots in {0, self.backend.slots}


MakeBench = Callable[..., Awaitable[Bench]]


def build(
    *,
    options: Options | None = None,
    limits: Limits | None = None,
    snapshot: Catalog | None = None,
    bundle: bool = True,
    model: FakeServed | None = None,
    log: list[dict[str, object]] | None = None,
) -> tuple[Server, FakeServed, MemoryContextStore, MemoryPromptCache]:
    """A server on the fake backend, not started."""
    served = model or FakeServed.of(snapshot or catalog())
    contexts, prompts = MemoryContextStore(), MemoryPromptCache()
    trends = LiveTrends(served.catalog)
    stores = Stores(
        contexts, prompts, DirectSink(contexts, trends), trends.snapshot, directory=contexts
    )
    captured = structlog.testing.LogCapture()
    if log is not None:
        captured.entries = log  # type: ignore[assignment]
    logger = structlog.wrap_logger(
        None, processors=[captured], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    server = Server(
        FakeModels(served if bundle else None),
        Worker(Engine(limits or Limits(batch=4, queue=8))),
        stores,
        options or Options(console=True),
        logger,
    )
    return server, served, contexts, prompts


@asynccontextmanager
async def running(**settings: object) -> AsyncIterator[Bench]:
    """A server that runs until the block ends."""
    log: list[dict[str, object]] = []
    server, served, contexts, prompts = build(log=log, **settings)  # type: ignore[arg-type]
    app = create_app(server)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://genpage.test") as client,
    ):
        try:
            yield Bench(server, app, client, served.backend, contexts, prompts, log)
        finally:
            served.backend.open()


@pytest.fixture
async def make_bench() -> AsyncIterator[MakeBench]:
    """Starts servers with settings of the test's own."""
    async with AsyncExitStack() as stack:

        async def make(**settings: object) -> Bench:
            return await stack.enter_async_context(running(**settings))

        yield make


@pytest.fixture
async def bench(make_bench: MakeBench) -> Bench:
    """A server with everything on."""
    return await make_bench()


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Yield to the loop until ``condition`` holds; the test's timeout bounds it."""
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0)
