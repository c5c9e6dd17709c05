"""The engine's step on the fake backend: timings, sharing, accounting."""

from dataclasses import replace

import pytest
from engines import assert_at_rest, run
from pages import FakeClock, finish_of, library, of_member, plan, rows_of

from genpage.errors import ConflictError, GenPageError, OverloadedError
from runtime.arrays import FloatArray
from runtime.decoder import Decoder
from runtime.engine import Engine
from runtime.fake import FakeHead, FakeModel
from runtime.limits import Limits
from runtime.output import Output, RowDecoded, Timing
from runtime.written import Written

CATALOG = library()


class Counting(FakeHead):
    """Notes how many positions each call scored."""

    calls: list[int]

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Count and score."""
        self.calls.append(len(hidden))
        return super().scores(hidden)


def test_a_page_is_told_row_by_row_and_counted() -> None:
    """Ten rows as the naive twin decodes them, then one ending with its figures."""
    page = plan(CATALOG)
    model = FakeModel.of(CATALOG)
    engine = Engine(Limits(speculation=False), clock=FakeClock())
    engine.submit(page.job(model))
    outputs = run(engine)
    assert rows_of(outputs) == page.naive(model)
    finish = finish_of(outputs)
    assert finish.reason == "complete"
    assert (finish.prompt_tokens, finish.cached_prompt_tokens) == (5, 0)
    assert finish.forward_passes == 49
    stats = engine.stats()
    assert stats.steps == 50
    assert stats.fed_tokens == stats.reusable_tokens == 5 + 10 * 21 - 17
    assert_at_rest(engine)


def test_a_row_is_told_in_the_step_that_decided_it() -> None:
    """Rows leave while later ones are still to be decoded."""
    engine = Engine(clock=FakeClock())
    engine.submit(plan(CATALOG).job(FakeModel.of(CATALOG)))
    steps = []
    while engine.busy:
        steps.append([o.row for o in engine.step() if isinstance(o, RowDecoded)])
    assert [n for n, rows in enumerate(steps) if rows] == list(range(4, 50, 5))


def test_time_is_told_by_phase() -> None:
    """Waiting, prompt and rows by the clock that was given; their sum is the whole."""
    clock = FakeClock()
    engine = Engine(Limits(prefill_tokens_alone=3), clock=clock)
    page = plan(CATALOG, rows=1, entities_per_row=1)
    engine.submit(page.job(FakeModel.of(CATALOG)))
    outputs: list[Output] = []
    for seconds in (1.0, 2.0, 4.0):  # before the first chunk, the second, the row's entity
        clock.now += seconds
        outputs += engine.step()
    (row,) = [output for output in outputs if isinstance(output, RowDecoded)]
    timing = finish_of(outputs).timing
    assert timing == Timing(queue_ms=1000.0, prefill_ms=2000.0, decode_ms=4000.0)
    assert row.at_ms == timing.total_ms == 7000.0


def test_deciding_counts_into_the_time_of_the_row_and_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock is read when a row leaves, so that the whole is what its listener waited for."""
    clock, take = FakeClock(), Decoder.take

    def slowly(
        decoder: Decoder, scores: FloatArray, most: int, hidden: FloatArray
    ) -> tuple[Written, ...]:
        clock.now += 1.0
        return take(decoder, scores, most, hidden)

    monkeypatch.setattr(Decoder, "take", slowly)
    engine = Engine(clock=clock)
    engine.submit(plan(CATALOG, rows=1, entities_per_row=2).job(FakeModel.of(CATALOG)))
    outputs = run(engine)
    (row,) = [output for output in outputs if isinstance(output, RowDecoded)]
    timing = finish_of(outputs).timing
    assert timing == Timing(queue_ms=0.0, prefill_ms=0.0, decode_ms=3000.0)  # a row, 2 entities
    assert row.at_ms == timing.total_ms == 3000.0


def test_time_before_the_engine_heard_of_a_page_counts_as_waiting() -> None:
    """The worker says when a page came."""
    engine = Engine(clock=FakeClock(100.0))
    engine.submit(plan(CATALOG, rows=1).job(FakeModel.of(CATALOG)), submitted=99.0)
    assert finish_of(run(engine)).timing.queue_ms == 1000.0


def test_pages_that_share_a_head_share_its_calls() -> None:
    """One head call a step for the pages of one snapshot, one each for two snapshots."""
    model = FakeModel.of(CATALOG)
    heads = [Counting(30, 600, seed=n) for n in range(2)]
    for head in heads:
        head.calls = []
    engine = Engine(Limits(speculation=False), clock=FakeClock())
    for name, head in zip("abc", (heads[0], heads[0], heads[1]), strict=True):
        page = of_member(name, plan(CATALOG, rows=1))
        engine.submit(page.job(replace(model, head=head), name))
    run(engine)
    assert heads[0].calls == [2] * 5
    assert heads[1].calls == [1] * 5


def test_a_second_page_of_a_member_reuses_the_prompt() -> None:
    """And decodes the same page; without the prefix cache nothing is reused."""
    for prefix_cache, cached in ((True, 4), (False, 0)):
        engine = Engine(Limits(prefix_cache=prefix_cache), clock=FakeClock())
        model = FakeModel.of(CATALOG)
        page = plan(CATALOG, rows=2)
        for page_id in ("first", "second"):
            engine.submit(page.job(model, page_id))
            outputs = run(engine)
            assert rows_of(outputs, page_id) == page.naive(model)
        assert finish_of(outputs, "second").cached_prompt_tokens == cached


def test_an_erased_members_kv_is_not_reused() -> None:
    """Erasure reaches the slots."""
    engine = Engine(clock=FakeClock())
    model = FakeModel.of(CATALOG)
    engine.submit(plan(CATALOG).job(model))
    run(engine)
    engine.forget("member")
    assert engine.stats().reusable_tokens == 0
    engine.submit(plan(CATALOG).job(model))
    assert finish_of(run(engine)).cached_prompt_tokens == 0


def test_a_prompt_that_just_fits_is_decoded() -> None:
    """A page whose last row's tail is not fed needs no room for it."""
    page = plan(CATALOG, rows=1)
    model = FakeModel.of(CATALOG, capacity=5 + 4)
    engine = Engine(clock=FakeClock())
    engine.submit(page.job(model))
    outputs = run(engine)
    assert rows_of(outputs) == page.naive(model)


def test_a_job_that_cannot_be_begun_says_so() -> None:
    """Rows replayed from another catalog: a bug of the caller, told, and nothing kept."""
    page = plan(CATALOG, rows=3)
    other = library(700)
    foreign = plan(other, rows=3)
    shown = foreign.naive(FakeModel.of(other))[:1]
    shown = (replace(shown[0], entities=(650, *shown[0].entities[1:])),)
    engine = Engine(clock=FakeClock())
    job = replace(
        page.job(FakeModel.of(CATALOG)),
        grammar=foreign.job(FakeModel.of(other), shown=shown).grammar,
    )
    with pytest.raises(GenPageError, match="This is a bug"):
        engine.submit(job)
    assert not engine.busy


def test_the_queue_is_bounded_and_ids_are_unique() -> None:
    """Refused at the door, by type; the pages in hand are untouched."""
    model = FakeModel.of(CATALOG, slots=1)
    engine = Engine(Limits(batch=1, queue=1), clock=FakeClock())
    engine.submit(plan(CATALOG, rows=1).job(model, "a"))
    with pytest.raises(ConflictError):
        engine.submit(plan(CATALOG, rows=1).job(model, "a"))
    engine.submit(plan(CATALOG, rows=1).job(model, "b"))
    with pytest.raises(OverloadedError):
        engine.submit(plan(CATALOG, rows=1).job(model, "c"))
    outputs = run(engine)
    assert [finish_of(outputs, name).reason for name in "ab"] == ["complete", "complete"]


def test_a_page_taken_up_again_counts_on() -> None:
    """Rows after those replayed carry their place on the whole page and reuse the KV."""
    page = plan(CATALOG, rows=5)
    model = FakeModel.of(CATALOG)
    engine = Engine(clock=FakeClock())
    engine.submit(page.job(model))
    outputs: list[Output] = []
    while len(rows_of(outputs)) < 2:
        outputs += engine.step()
    engine.cancel("page")
    outputs += engine.step()
    shown = rows_of(outputs)
    engine.submit(page.job(model, shown=shown))
    again = run(engine)
    assert shown + rows_of(again) == page.naive(model)
    finish = finish_of(again)
    assert finish.prompt_tokens == 5 + 2 * 21
    assert finish.cached_prompt_tokens == finish.prompt_tokens - 17


def test_holds_tells_one_job_from_another_of_its_id() -> None:
    """A page taken up again is another job."""
    model = FakeModel.of(CATALOG)
    engine = Engine(clock=FakeClock())
    first, second = plan(CATALOG).job(model), plan(CATALOG).job(model)
    engine.submit(first)
    assert engine.holds(first)
    assert not engine.holds(second)
