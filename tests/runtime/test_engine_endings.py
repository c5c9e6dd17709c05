"""How pages end in the engine: cancelled, out of time, with nothing to show, failed."""

from dataclasses import replace

import numpy as np
import pytest
from engines import Breaking, assert_at_rest, run
from pages import FakeClock, ending_of, finish_of, library, of_member, plan, rows_of

from genpage.errors import ArtefactError, GenPageError, InputError, UnavailableError
from runtime.arrays import FloatArray
from runtime.engine import Engine
from runtime.fake import FakeHead, FakeModel
from runtime.limits import Limits
from runtime.output import PageFailed, Timing

CATALOG = library()


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
