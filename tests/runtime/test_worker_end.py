"""How the engine's thread ends: drained, closed, dead of a bug, or left by its loop."""

import asyncio
import threading

import pytest
from pages import finish_of, library, of_member, plan
from workers import all_of, gated, running

from genpage.errors import UnavailableError
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.output import Output, PageFailed
from runtime.worker import PageStream, Worker

CATALOG = library(200, 12)
PAGE = plan(CATALOG, rows=4, entities_per_row=5)


class DeadlyEngine(Engine):
    """An engine with a bug outside any one page; it strikes in the first step, once let."""

    def __init__(self) -> None:
        super().__init__()
        self.stepping = threading.Event()
        self.let = threading.Event()

    def step(self) -> list[Output]:
        """Break."""
        self.stepping.set()
        self.let.wait()
        raise RuntimeError("the books are on fire")


async def test_a_draining_worker_lets_pages_end_within_the_grace() -> None:
    """Nothing new comes in; what is open completes."""
    model, backend = gated(CATALOG)
    async with running() as worker:
        backend.hold()
        stream = worker.submit(PAGE.job(model))
        drained = asyncio.create_task(worker.drain(60.0))
        await asyncio.to_thread(backend.waiting.wait)
        with pytest.raises(UnavailableError, match="draining"):
            worker.submit(of_member("b", PAGE).job(model, "b"))
        backend.release()
        await drained
        assert finish_of(await all_of(stream)).reason == "complete"


async def test_a_draining_worker_cuts_what_outlives_the_grace() -> None:
    """Live and waiting pages end with the reason, with the rows they had."""
    model, backend = gated(CATALOG, slots=1)
    async with running() as worker:
        backend.hold()
        live = worker.submit(PAGE.job(model, "live"))
        waiting = worker.submit(of_member("b", PAGE).job(model, "waiting"))
        backend.let(5)
        first = await anext(live)
        drained = asyncio.create_task(worker.drain(0.0))
        while worker._commands.empty():  # noqa: ASYNC110 - the order to cut sets no event
            await asyncio.sleep(0)
        backend.release()
        await drained
        outputs = [first, *await all_of(live), *await all_of(waiting)]
        assert finish_of(outputs, "live").reason == "draining"
        assert finish_of(outputs, "waiting").reason == "draining"


async def test_closing_cuts_what_is_open_and_ends_the_thread() -> None:
    """Streams end, the thread is gone, and closing again is harmless."""
    model, backend = gated(CATALOG)
    worker = Worker(Engine())
    worker.start()
    backend.hold()
    stream = worker.submit(PAGE.job(model))
    await asyncio.to_thread(backend.waiting.wait)
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0)  # the order is given
    backend.release()
    await closing
    assert finish_of(await all_of(stream)).reason == "draining"
    assert not worker.alive
    assert worker.failure is None
    assert "genpage-engine" not in {thread.name for thread in threading.enumerate()}
    await worker.close()
    with pytest.raises(UnavailableError):
        worker.submit(PAGE.job(model))


async def test_a_worker_that_never_started_can_be_drained_and_closed() -> None:
    """As when the app fails while it starts."""
    worker = Worker(Engine())
    assert not worker.alive
    await worker.drain(0.0)
    await worker.close()
    with pytest.raises(UnavailableError):
        await worker.stats()


async def test_the_threads_death_fails_every_page_and_is_seen() -> None:
    """Readers get a typed error with the cause; what comes after is refused."""
    engine = DeadlyEngine()
    async with running(engine) as worker:
        model = FakeModel.of(CATALOG)
        streams = [worker.submit(of_member(name, PAGE).job(model, name)) for name in "ab"]
        engine.let.set()
        for stream in streams:
            (ending,) = await all_of(stream)
            assert isinstance(ending, PageFailed)
            assert isinstance(ending.error, UnavailableError)
            assert ending.error.__cause__ is worker.failure
        assert not worker.alive
        assert str(worker.failure) == "the books are on fire"
        with pytest.raises(UnavailableError):
            worker.submit(PAGE.job(model))
        with pytest.raises(UnavailableError):
            await worker.stats()
        await worker.drain(60.0)


async def test_a_question_the_thread_died_on_is_answered() -> None:
    """Nobody waits for ever for the books of a dead engine, nor for a page it never began."""
    engine = DeadlyEngine()
    async with running(engine) as worker:
        worker.submit(PAGE.job(FakeModel.of(CATALOG)))
        await asyncio.to_thread(engine.stepping.wait)
        late = worker.submit(of_member("b", PAGE).job(FakeModel.of(CATALOG), "late"))
        questions = asyncio.gather(worker.stats(), worker.forget("member"), return_exceptions=True)
        await asyncio.sleep(0)  # both are asked
        engine.let.set()
        assert [type(reply) for reply in await questions] == [UnavailableError] * 2
        (ending,) = await all_of(late)
        assert isinstance(ending, PageFailed)


async def test_a_loop_that_is_gone_ends_the_thread() -> None:
    """With nobody to tell, the thread stops instead of decoding for ever."""
    threads: list[threading.Thread] = []
    model, backend = gated(CATALOG)

    def forgotten() -> None:
        async def begin() -> None:
            worker = Worker(Engine())
            worker.start()
            threads.append(worker._thread)
            backend.hold()
            streams.append(worker.submit(PAGE.job(model)))

        asyncio.run(begin())

    streams: list[PageStream] = []
    await asyncio.to_thread(forgotten)
    backend.release()
    await asyncio.to_thread(threads[0].join)
    assert not threads[0].is_alive()
