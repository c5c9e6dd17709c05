"""The engine's thread and its bridge to asyncio: with events, never with sleeps."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pages import Plan, finish_of, library, plan, rows_of

from genpage.errors import (
    ConflictError,
    InputError,
    OverloadedError,
    UnavailableError,
)
from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.fake import FakeBackend, FakeModel
from runtime.limits import Limits
from runtime.output import Output, PageFailed, PageFinished, RowDecoded
from runtime.worker import PageStream, Worker

CATALOG = library(200, 12)
PAGE = plan(CATALOG, rows=4, entities_per_row=5)


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


def gated(slots: int = 4) -> tuple[FakeModel, GatedBackend]:
    """A model whose passes the test allows one by one."""
    backend = GatedBackend(slots)
    return replace(FakeModel.of(CATALOG), backend=backend), backend


def of_member(member: str, page: Plan = PAGE) -> Plan:
    """The page for another member."""
    return replace(page, member=member)


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


async def test_a_page_arrives_as_the_engine_decodes_it() -> None:
    """The naive twin's rows, then one ending, then the stream's end."""
    model = FakeModel.of(CATALOG)
    async with running() as worker:
        outputs = await all_of(worker.submit(PAGE.job(model)))
        assert rows_of(outputs) == PAGE.naive(model)
        assert finish_of(outputs).reason == "complete"
        assert worker.open == 0


async def test_a_row_arrives_while_the_next_is_still_to_be_decoded() -> None:
    """With leave for the first row's passes only, the first row is here."""
    model, backend = gated()
    async with running() as worker:
        backend.hold()
        stream = worker.submit(PAGE.job(model))
        backend.let(5)
        first = await anext(stream)
        assert isinstance(first, RowDecoded)
        backend.release()
        rest = await all_of(stream)
        assert rows_of([first, *rest]) == PAGE.naive(model)


async def test_many_pages_at_once_are_each_as_if_alone() -> None:
    """More than there are slots, read in any order."""
    model = FakeModel.of(CATALOG, slots=3)
    async with running() as worker:
        streams = {name: worker.submit(of_member(name).job(model, name)) for name in "abcdefgh"}
        for name, stream in reversed(streams.items()):
            assert rows_of(await all_of(stream), name) == PAGE.naive(model)


@pytest.mark.parametrize("way", ["aclose", "with", "drop", "unread"])
async def test_a_reader_who_leaves_frees_the_slot(way: str) -> None:
    """By closing, by leaving the block, by dropping the stream, before or after the first row."""
    model, backend = gated()
    async with running() as worker:
        backend.hold()
        stream = worker.submit(PAGE.job(model))
        if way != "unread":
            backend.let(5)
            await anext(stream)
        if way == "with":
            async with stream:
                pass
        elif way == "drop":
            del stream
            gc.collect()
        else:
            await stream.aclose()
        backend.release()
        stats = await worker.stats()
        assert (stats.live, stats.waiting, stats.live_tokens) == (0, 0, 0)
        await worker.drain(60.0)
        assert worker.open == 0
        # Four passes of the first row, perhaps one that was under way: not the whole page.
        assert stats.steps < 10


async def test_a_stream_that_was_closed_is_over() -> None:
    """Nothing can be read from it."""
    async with running() as worker:
        stream = worker.submit(PAGE.job(FakeModel.of(CATALOG)))
        await stream.aclose()
        assert await all_of(stream) == []


async def test_a_cancelled_reader_frees_the_slot() -> None:
    """A task that is cancelled while it waits for a row leaves through its ``async with``."""
    model, backend = gated()
    async with running() as worker:
        backend.hold()
        reading = asyncio.Event()

        async def read() -> None:
            async with worker.submit(PAGE.job(model)) as stream:
                reading.set()
                await anext(stream)

        task = asyncio.create_task(read())
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        backend.release()
        assert (await worker.stats()).live == 0


async def test_a_cancelled_page_tells_its_end_to_who_reads_on() -> None:
    """`cancel` by id: the rows so far, then the reason."""
    model, backend = gated()
    async with running() as worker:
        backend.hold()
        stream = worker.submit(PAGE.job(model))
        backend.let(5)
        first = await anext(stream)
        worker.cancel("page")
        backend.release()
        outputs = [first, *await all_of(stream)]
        assert finish_of(outputs).reason == "cancelled"
        worker.cancel("page")  # over by now: nothing happens
        worker.cancel("nobody's")
        assert (await worker.stats()).live == 0


async def test_closing_an_old_stream_does_not_end_the_page_taken_up_again() -> None:
    """Same page id, another job: only its own reader's leaving cancels it."""
    model = FakeModel.of(CATALOG)
    async with running() as worker:
        old = worker.submit(PAGE.job(model))
        while worker.open:
            await anext(old)
        again = worker.submit(PAGE.job(model))
        await old.aclose()
        assert finish_of(await all_of(again)).reason == "complete"


async def test_admission_is_bounded_and_given_back() -> None:
    """A full house is refused at once; an ending lets the next one in."""
    model, backend = gated(slots=1)
    async with running(Engine(Limits(batch=1, queue=1))) as worker:
        backend.hold()
        streams = [worker.submit(of_member(name).job(model, name)) for name in "ab"]
        with pytest.raises(OverloadedError) as refused:
            worker.submit(of_member("c").job(model, "c"))
        assert refused.value.retry_after_s > 0
        backend.release()
        for stream in streams:
            await all_of(stream)
        assert finish_of(await all_of(worker.submit(PAGE.job(model)))).reason == "complete"


async def test_a_page_id_is_open_once() -> None:
    """The second submission is a conflict, the first goes on."""
    model, backend = gated()
    async with running() as worker:
        backend.hold()
        stream = worker.submit(PAGE.job(model))
        with pytest.raises(ConflictError):
            worker.submit(PAGE.job(model))
        backend.release()
        assert finish_of(await all_of(stream)).reason == "complete"


async def test_a_page_the_engine_refuses_fails_in_its_stream() -> None:
    """A prompt longer than a slot: typed, and the worker lives."""
    long = replace(PAGE, prompt=tuple(range(99)))
    async with running() as worker:
        (ending,) = await all_of(worker.submit(long.job(FakeModel.of(CATALOG, capacity=50))))
        assert isinstance(ending, PageFailed)
        assert isinstance(ending.error, InputError)
        assert worker.alive


async def test_a_draining_worker_lets_pages_end_within_the_grace() -> None:
    """Nothing new comes in; what is open completes."""
    model, backend = gated()
    async with running() as worker:
        backend.hold()
        stream = worker.submit(PAGE.job(model))
        drained = asyncio.create_task(worker.drain(60.0))
        await asyncio.to_thread(backend.waiting.wait)
        with pytest.raises(UnavailableError, match="draining"):
            worker.submit(of_member("b").job(model, "b"))
        backend.release()
        await drained
        assert finish_of(await all_of(stream)).reason == "complete"


async def test_a_draining_worker_cuts_what_outlives_the_grace() -> None:
    """Live and waiting pages end with the reason, with the rows they had."""
    model, backend = gated(slots=1)
    async with running() as worker:
        backend.hold()
        live = worker.submit(PAGE.job(model, "live"))
        waiting = worker.submit(of_member("b").job(model, "waiting"))
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
    model, backend = gated()
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
        streams = [worker.submit(of_member(name).job(model, name)) for name in "ab"]
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
        late = worker.submit(of_member("b").job(FakeModel.of(CATALOG), "late"))
        questions = asyncio.gather(worker.stats(), worker.forget("member"), return_exceptions=True)
        await asyncio.sleep(0)  # both are asked
        engine.let.set()
        assert [type(reply) for reply in await questions] == [UnavailableError] * 2
        (ending,) = await all_of(late)
        assert isinstance(ending, PageFailed)


async def test_an_idle_worker_does_not_spin() -> None:
    """With nothing to do no step is taken; a command wakes the thread, and it sleeps again."""
    async with running() as worker:
        before = await worker.stats()
        assert (await worker.stats()).steps == before.steps == 0
        outputs = await all_of(worker.submit(PAGE.job(FakeModel.of(CATALOG))))
        # One step for the prompt, one a pass: none without work.
        assert (await worker.stats()).steps == 1 + finish_of(outputs).forward_passes


async def test_an_erased_members_kv_is_gone_when_forget_returns() -> None:
    """What the slots held of the member is not held any more."""
    model = FakeModel.of(CATALOG)
    async with running() as worker:
        await all_of(worker.submit(PAGE.job(model)))
        assert (await worker.stats()).reusable_tokens > 0
        await worker.forget("member")
        assert (await worker.stats()).reusable_tokens == 0


async def test_waiting_for_the_thread_counts_as_waiting() -> None:
    """A page's clock starts when it is submitted, not when the engine hears of it."""
    now = [10.0]
    model, backend = gated(slots=1)
    async with running(Engine(clock=lambda: now[0])) as worker:
        backend.hold()
        first = worker.submit(PAGE.job(model, "first"))
        await asyncio.to_thread(backend.waiting.wait)
        second = worker.submit(of_member("b").job(model, "second"))
        now[0] = 13.0
        backend.release()
        await all_of(first)
        finish = [output async for output in second][-1]
        assert isinstance(finish, PageFinished)
        assert finish.timing.queue_ms == 3000.0


async def test_a_loop_that_is_gone_ends_the_thread() -> None:
    """With nobody to tell, the thread stops instead of decoding for ever."""
    threads: list[threading.Thread] = []
    model, backend = gated()

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
