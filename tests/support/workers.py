"""Workers for the length of a test, and a backend whose passes the test allows one by one."""

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from genpage.catalog import Catalog
from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.fake import FakeBackend, FakeModel
from runtime.output import Output
from runtime.worker import PageStream, Worker


class GatedBackend(FakeBackend):
    """Runs freely until `hold`; then one pass for every `let`."""

    def __init__(self, slots: int = 4) -> None:
        super().__init__(slots)
        self._gate = threading.Semaphore(0)
        self._gated = False
        self.waiting = threading.Event()

    def hold(self) -> None:
        """From now on every pass needs leave."""
        self._gated = True

    def let(self, passes: int) -> None:
        """Leave for so many passes."""
        self._gate.release(passes)

    def release(self) -> None:
        """Run freely again."""
        self._gated = False
        self._gate.release()

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Run, with leave."""
        if self._gated:
            self.waiting.set()
            self._gate.acquire()
        return super().forward(chunks)


def gated(catalog: Catalog, slots: int = 4) -> tuple[FakeModel, GatedBackend]:
    """A model whose passes the test allows one by one."""
    backend = GatedBackend(slots)
    return replace(FakeModel.of(catalog), backend=backend), backend


async def all_of(stream: PageStream) -> list[Output]:
    """Read a stream to its end."""
    return [output async for output in stream]


@asynccontextmanager
async def running(engine: Engine | None = None) -> AsyncIterator[Worker]:
    """A worker for the length of a test."""
    worker = Worker(engine or Engine())
    worker.start()
    try:
        yield worker
    finally:
        await worker.close()
