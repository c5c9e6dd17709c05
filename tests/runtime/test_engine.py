"""The engine's step on the fake backend: timings, failures, cancellation, accounting."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from pages import FakeClock, Plan, ending_of, finish_of, library, plan, rows_of

from genpage.errors import (
    ArtefactError,
    ConflictError,
    GenPageError,
    InputError,
    OverloadedError,
    UnavailableError,
)
from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.decoder import Decoder
from runtime.engine import Engine
from runtime.fake import FakeBackend, FakeHead, FakeModel
from runtime.limits import Limits
from runtime.output import Output, PageFailed, RowDecoded, Timing
from runtime.writer import Written

CATALOG = library()


class Breaking(FakeBackend):
    """Fails where it is told to, after it has spoilt some KV as a real one might."""

    def __init__(self, fails: Callable[[Sequence[Chunk]], bool]) -> None:
        super().__init__()
        self.fails = fails

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Run, then perhaps raise."""
        states = super().forward(chunks)
        if self.fails(chunks):
            raise ValueError("out of memory")
        return states


class Counting(FakeHead):
    """Notes how many positions each call scored."""

    calls: list[int]

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Count and score."""
        self.calls.append(len(hidden))
        return super().scores(hidden)


def run(engine: Engine) -> list[Output]:
    """Step until nothing is left to do."""
    outputs: list[Output] = []
    while engine.busy:
        outputs += engine.step()
        engine.check_integrity()
    return outputs


def assert_at_rest(engine: Engine, slots: int = 4) -> None:
    """Nothing lives, nothing waits, every slot is free."""
    stats = engine.stats()
    assert (stats.live, stats.waiting, stats.live_tokens) == (0, 0, 0)
    assert stats.free_slots == slots


def of_member(member: str, page: Plan) -> Plan:
    """The same page for another member."""
    return replace(page, member=member)


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

    def slowly(decoder: Decoder, scores: FloatArray) -> tuple[Written, ...]:
        clock.now += 1.0
        return take(decoder, scores)

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


@pytest.mark.parametrize("steps", [0, 1, 2, 9])
def test_a_cancelled_page_frees_its_slot_before_the_next_step(steps: int) -> None:
    """Waiting, in its prompt, decoding: the slot is free at once, the rows stand, others go on."""
    model = FakeModel.of(CATALOG, slots=4)
    engine = Engine(Limits(prefill_tokens_alone=6), clock=FakeClock())
    page, other = plan(CATALOG), of_member("other", plan(CATALOG))
    engine.submit(other.job(model, "other"))
    engine.submit(page.job(model))
    outputs = [output for _ in range(steps) for output in engine.step()]
    assert engine.cancel("page")
    assert not engine.cancel("page")
    assert engine.stats().live + engine.stats().waiting == 1
    engine.check_integrity()
    outputs += run(engine)
    finish = finish_of(outputs)
    assert finish.reason == "cancelled"
    rows = rows_of(outputs)
    assert rows == page.naive(model)[: len(rows)]
    assert rows_of(outputs, "other") == other.naive(model)
    assert_at_rest(engine)


def test_a_waiting_page_can_be_cancelled() -> None:
    """It never had a slot, and those behind it move up."""
    model = FakeModel.of(CATALOG, slots=1)
    engine = Engine(clock=FakeClock())
    for name in "abc":
        engine.submit(of_member(name, plan(CATALOG, rows=1)).job(model, name))
    engine.step()
    engine.cancel("b")
    outputs = run(engine)
    assert finish_of(outputs, "b").reason == "cancelled"
    assert finish_of(outputs, "b").forward_passes == 0
    assert finish_of(outputs, "c").reason == "complete"
    assert_at_rest(engine, slots=1)


def test_deadlines_end_pages_waiting_and_decoding() -> None:
    """With the rows so far; the others go on."""
    clock = FakeClock(0.0)
    model = FakeModel.of(CATALOG, slots=1)
    engine = Engine(clock=clock)
    page = plan(CATALOG)
    engine.submit(page.job(model, "decoding", deadline=10.0))
    engine.submit(of_member("b", page).job(model, "waiting", deadline=10.0))
    engine.submit(of_member("c", page).job(model, "patient"))
    outputs = [output for _ in range(7) for output in engine.step()]
    clock.now = 10.0
    outputs += run(engine)
    assert finish_of(outputs, "decoding").reason == "deadline"
    assert len(rows_of(outputs, "decoding")) == 1
    assert finish_of(outputs, "waiting").reason == "deadline"
    assert finish_of(outputs, "waiting").timing == Timing(10_000.0, 0.0, 0.0)
    assert finish_of(outputs, "patient").reason == "complete"
    assert_at_rest(engine, slots=1)


def test_everything_can_be_ended_at_once() -> None:
    """Draining: live and waiting pages alike say why."""
    model = FakeModel.of(CATALOG, slots=1)
    engine = Engine(clock=FakeClock())
    for name in "ab":
        engine.submit(plan(CATALOG).job(model, name))
    engine.step()
    engine.cancel_all("draining")
    outputs = run(engine)
    assert [finish_of(outputs, name).reason for name in "ab"] == ["draining", "draining"]
    assert_at_rest(engine, slots=1)


def test_nothing_to_show_is_an_ending_and_costs_no_pass() -> None:
    """No eligible title: exhausted, with no slot taken."""
    engine = Engine(clock=FakeClock())
    empty = library(entities=0)
    engine.submit(plan(empty).job(FakeModel.of(empty)))
    finish = finish_of(run(engine))
    assert finish.reason == "exhausted"
    assert engine.stats().fed_tokens == 0


def test_a_prompt_longer_than_a_slot_fails_that_page_only() -> None:
    """A typed error that says what to ask for; its neighbour is served."""
    model = FakeModel.of(CATALOG, capacity=300)
    engine = Engine(clock=FakeClock())
    engine.submit(replace(plan(CATALOG), prompt=tuple(range(301))).job(model, "long"))
    engine.submit(plan(CATALOG).job(model))
    outputs = run(engine)
    ending = ending_of(outputs, "long")
    assert isinstance(ending, PageFailed)
    assert isinstance(ending.error, InputError)
    assert "ask for fewer rows" in str(ending.error)
    assert finish_of(outputs).reason == "complete"
    assert_at_rest(engine)


@pytest.mark.parametrize(("spare", "rows"), [(0, 2), (3, 2), (4, 3), (20, 3)])
def test_a_page_that_outgrows_its_slot_fails_with_the_rows_it_had(spare: int, rows: int) -> None:
    """Two rows fit behind the prompt; a third can be decided where four of its tokens fit."""
    model = FakeModel.of(CATALOG, capacity=5 + 2 * 21 + spare)
    engine = Engine(clock=FakeClock())
    page = plan(CATALOG)
    engine.submit(page.job(model))
    outputs = run(engine)
    ending = ending_of(outputs)
    assert isinstance(ending, PageFailed)
    assert isinstance(ending.error, InputError)
    assert rows_of(outputs) == page.naive(model)[:rows]
    assert_at_rest(engine)


def test_a_prompt_that_just_fits_is_decoded() -> None:
    """A page whose last row's tail is not fed needs no room for it."""
    page = plan(CATALOG, rows=1)
    model = FakeModel.of(CATALOG, capacity=5 + 4)
    engine = Engine(clock=FakeClock())
    engine.submit(page.job(model))
    outputs = run(engine)
    assert rows_of(outputs) == page.naive(model)


def test_a_failing_backend_fails_the_page_that_it_fails_on() -> None:
    """The chunks of a failed call run again alone; only the culprit's page ends."""
    backend = Breaking(lambda chunks: any(999 in chunk.tokens for chunk in chunks))
    model = replace(FakeModel.of(CATALOG), backend=backend)
    engine = Engine(clock=FakeClock())
    page = plan(CATALOG)
    for name in "abc":
        prompt = (1, 2, 999) if name == "b" else (1, 2, 3)
        engine.submit(replace(page, member=name, prompt=prompt).job(model, name))
    outputs = run(engine)
    ending = ending_of(outputs, "b")
    assert isinstance(ending, PageFailed)
    assert isinstance(ending.error, UnavailableError)
    assert isinstance(ending.error.__cause__, ValueError)
    for name in "ac":
        expected = replace(page, prompt=(1, 2, 3)).naive(model)
        assert rows_of(outputs, name) == expected
    assert_at_rest(engine)


def test_nothing_is_reused_of_a_slot_that_failed() -> None:
    """The member's next page computes its whole prompt, and is right."""
    broken = [True]
    backend = Breaking(lambda chunks: broken[0] and chunks[0].start > 20)
    model = replace(FakeModel.of(CATALOG), backend=backend)
    engine = Engine(clock=FakeClock())
    page = plan(CATALOG)
    engine.submit(page.job(model))
    assert isinstance(ending_of(run(engine)), PageFailed)
    assert engine.stats().reusable_tokens == 0
    broken[0] = False
    engine.submit(page.job(model))
    outputs = run(engine)
    assert finish_of(outputs).cached_prompt_tokens == 0
    assert rows_of(outputs) == page.naive(model)


def test_a_failing_head_fails_the_pages_that_share_it() -> None:
    """Pages of another head go on."""

    class Broken(FakeHead):
        def scores(self, hidden: FloatArray) -> FloatArray:
            raise ValueError(hidden.shape)

    model = FakeModel.of(CATALOG)
    engine = Engine(clock=FakeClock())
    engine.submit(plan(CATALOG).job(replace(model, head=Broken(30, 600)), "broken"))
    engine.submit(of_member("other", plan(CATALOG)).job(model))
    outputs = run(engine)
    assert isinstance(ending_of(outputs, "broken"), PageFailed)
    assert finish_of(outputs).reason == "complete"
    assert_at_rest(engine)


@pytest.mark.parametrize(
    ("scores", "error"),
    [(np.full((1, 630), np.nan, np.float32), ArtefactError), (np.zeros((1, 3)), GenPageError)],
)
def test_scores_that_cannot_be_decided_by_fail_the_page(
    scores: FloatArray, error: type[GenPageError]
) -> None:
    """NaN is the bundle's fault, a wrong shape ours; neither ends the engine."""

    class Odd(FakeHead):
        def scores(self, hidden: FloatArray) -> FloatArray:
            return scores[: len(hidden)]

    model = replace(FakeModel.of(CATALOG), head=Odd(30, 600))
    engine = Engine(clock=FakeClock())
    engine.submit(plan(CATALOG).job(model))
    ending = ending_of(run(engine))
    assert isinstance(ending, PageFailed)
    assert type(ending.error) is error
    assert_at_rest(engine)


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
