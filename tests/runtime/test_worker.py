"""The engine's thread and its bridge to asyncio: with events, never with sleeps."""

import asyncio
import gc
from dataclasses import replace

import pytest
from pages import finish_of, library, of_member, plan, rows_of
from workers import all_of, gated, running

from genpage.errors import ConflictError, InputError, OverloadedError
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.limits import Limits
from runtime.output import PageFailed, PageFinished, RowDecoded

CATALOG = library(200, 12)
PAGE = plan(CATALOG, rows=4, entities_per_row=5)


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
    model, backend = gated(CATALOG)
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
        streams = {
            name: worker.submit(of_member(name, PAGE).job(model, name)) for name in "abcdefgh"
        }
        for name, stream in reversed(streams.items()):
            assert rows_of(await all_of(stream), name) == PAGE.naive(model)


@pytest.mark.parametrize("way", ["aclose", "with", "drop", "unread"])
async def test_a_reader_who_leaves_frees_the_slot(way: str) -> None:
    """By closing, by leaving the block, by dropping the stream, before or after the first row."""
    model, backend = gated(CATALOG)
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
    model, backend = gated(CATALOG)
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
    model, backend = gated(CATALOG)
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
    model, backend = gated(CATALOG, slots=1)
    async with running(Engine(Limits(batch=1, queue=1))) as worker:
        backend.hold()
        streams = [worker.submit(of_member(name, PAGE).job(model, name)) for name in "ab"]
        with pytest.raises(OverloadedError) as refused:
            worker.submit(of_member("c", PAGE).job(model, "c"))
        assert refused.value.retry_after_s > 0
        backend.release()
        for stream in streams:
            await all_of(stream)
        assert finish_of(await all_of(worker.submit(PAGE.job(model)))).reason == "complete"


async def test_a_page_id_is_open_once() -> None:
    """The second submission is a conflict, the first goes on."""
    model, backend = gated(CATALOG)
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
    model, backend = gated(CATALOG, slots=1)
    async with running(Engine(clock=lambda: now[0])) as worker:
        backend.hold()
        first = worker.submit(PAGE.job(model, "first"))
        await asyncio.to_thread(backend.waiting.wait)
        second = worker.submit(of_member("b", PAGE).job(model, "second"))
        now[0] = 13.0
        backend.release()
        await all_of(first)
        finish = [output async for output in second][-1]
        assert isinstance(finish, PageFinished)
        assert finish.timing.queue_ms == 3000.0
