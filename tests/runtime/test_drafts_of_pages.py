"""Drafts from the page before: the page is the same, and takes few passes where it is that one."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
import pytest
from drafting import decode, eager
from engines import assert_at_rest, run
from hypothesis import given
from pages import (
    SERIALISED,
    ending_of,
    library,
    of_member,
    plan,
    random_plan,
    rows_of,
)
from strategies import World, worlds

from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.draft import NO_DRAFT, Draft, Step
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.limits import Limits
from runtime.output import RowDecoded
from runtime.pace import Pace
from runtime.recall import Recall


@given(worlds())
def test_no_earlier_page_changes_a_page(world: World) -> None:
    """Neither the same, nor part of it, nor one in disorder, nor of titles that nobody knows."""
    chance = world.chance
    page = random_plan(chance, world.catalog)
    steady = chance.choice((0.0, 0.9))
    model = FakeModel.of(page.catalog, steady=steady, serialised=chance.choice(SERIALISED))
    naive = page.naive(model)
    earlier = list(naive)
    match chance.randrange(4):
        case 0:
            chance.shuffle(earlier)
        case 1:
            earlier = [replace(row, entities=row.entities[1:]) for row in earlier]
        case 2:
            count = len(page.catalog.entities)
            earlier = [
                replace(row, entities=tuple(chance.sample(range(count), len(row.entities))))
                for row in earlier
            ]
    rows, _ = decode(page.job(model), model, eager(0.9), earlier)
    assert tuple(rows) == naive


@pytest.mark.parametrize("serialised", [None, 2, 4])
def test_a_page_as_the_one_before_takes_few_passes(serialised: int | None) -> None:
    """However little its scores foresee."""
    page = plan(library())
    model = FakeModel.of(page.catalog, serialised=serialised)
    plain, alone = decode(page.job(model), model, None)
    rows, passes = decode(page.job(model), model, eager(0.9), plain)
    assert rows == plain
    assert 4 * len(passes) < len(alone)


def test_a_page_with_a_new_row_is_recalled_around_it() -> None:
    """Rows that moved, and titles that another was put in front of, are found where they are."""
    page = plan(library(), rows=6)
    model = FakeModel.of(page.catalog)
    plain, alone = decode(page.job(model), model, None)
    earlier = [replace(row, entities=row.entities[1:]) for row in plain if row is not plain[2]]
    rows, passes = decode(page.job(model), model, eager(0.9), earlier)
    assert rows == plain
    # A new row is read as without drafts; each other one stumbles once, over its first title.
    assert 4 * len(passes) < 3 * len(alone)


def test_a_page_that_differs_from_the_one_before_soon_ceases_to_follow_it() -> None:
    """Its own scores foresee more, and are asked again after a few mistakes."""
    page = plan(library())
    model = FakeModel.of(page.catalog, steady=0.999)
    plain = page.naive(model)
    turned = [replace(row, entities=row.entities[::-1]) for row in plain]
    alone = decode(page.job(model), model, eager(0.7))[1]
    pace = eager(0.7)
    rows, passes = decode(page.job(model), model, pace, turned)
    assert tuple(rows) == plain
    assert pace.chance("entity before") < 0.7
    assert len(passes) <= len(alone) + 8


def test_every_decision_tells_whether_the_page_before_had_it() -> None:
    """Drafted or not: a page that proves to be the same is soon drafted in whole rows."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    plain, _ = decode(page.job(model), model, None)
    pace = Pace()
    pace.token = 0.06
    rows, passes = decode(page.job(model), model, pace, plain)
    assert rows == plain
    assert len(passes) <= 8
    assert max(passes) > 30
    assert pace.chance("fill before") > 0.6


def test_drafts_of_pages_decoded_at_once_share_a_step() -> None:
    """However sure they are: a step takes no more than a prompt's chunk would."""
    page = plan(library())
    model = FakeModel.of(page.catalog, slots=8)
    # A clock that the machine's load does not move: every look at it is as far from the last.
    engine = Engine(Limits(batch=8, queue=0, warm=0), clock=partial(next, count(step=1e-6)))
    seen = list[int]()
    forward = model.backend.forward

    def counted(chunks: Sequence[Chunk]) -> list[FloatArray]:
        seen.append(sum(len(chunk.tokens) for chunk in chunks))
        return forward(chunks)

    for _ in range(4):
        seen.clear()
        for number in range(8):
            engine.submit(of_member(f"m{number}", page).job(model, f"p{number}"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(model.backend, "forward", counted)
            while engine.busy:
                engine.step()
    # A fill of 17, decided already, and at most 16 drafted behind it: of each of eight pages.
    assert max(seen) <= 8 * (17 + 16)
    assert len(seen) < 49


def test_a_draft_holds_up_the_next_row_no_longer_than_two_rows_take() -> None:
    """A page that is the one before to the last title still comes row by row."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    engine = Engine(Limits(batch=1, queue=0, warm=1))
    for _ in range(4):
        rows = []
        engine.submit(page.job(model))
        while engine.busy:
            rows.append(sum(isinstance(output, RowDecoded) for output in engine.step()))
    assert sum(rows) == 10
    assert max(rows) <= 3


def test_the_prompts_last_pass_verifies_the_first_draft() -> None:
    """What is drafted from the page before stands behind the prompt; else nothing does."""
    page = plan(library())
    model = FakeModel.of(page.catalog)
    prompt = len(page.job(model).prompt)
    plain, alone = decode(page.job(model), model, eager(0.9))
    rows, passes = decode(page.job(model), model, eager(0.9), plain)
    assert rows == plain
    assert alone[0] == prompt
    assert passes[0] > prompt + 20


def test_a_page_before_that_cannot_be_drafted_from_ends_its_page_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What goes wrong with one page as it is admitted does not reach those beside it."""
    page = plan(library())
    model = FakeModel.of(page.catalog, slots=4)
    engine = Engine(Limits(batch=2))
    engine.submit(page.job(model))
    run(engine)

    def broken(_: object) -> None:
        raise IndexError("beyond the catalog")

    monkeypatch.setattr(Recall, "of", broken)
    engine.submit(page.job(model, "again"))
    engine.submit(of_member("other", page).job(model, "other"))
    outputs = run(engine)
    assert "this page could not be begun" in str(ending_of(outputs, "again"))
    assert rows_of(outputs, "other") == page.naive(model)
    assert_at_rest(engine, slots=4)


@pytest.mark.parametrize("budget", [1, 2, 9, 60])
def test_first_drafts_take_what_prompts_leave_of_a_step(budget: int) -> None:
    """However sure they are, and however many pages come back: no prompt waits for a guess."""
    page = plan(library())
    model = FakeModel.of(page.catalog, slots=4)
    engine = Engine(Limits(batch=3, warm=1, prefill_tokens_alone=budget))
    engine._pace = eager(0.99)
    members = [of_member(name, page) for name in "ab"]
    for member in members:
        engine.submit(member.job(model, member.member))
        run(engine)
    steps: list[list[Chunk]] = []
    forward = model.backend.forward

    def watched(chunks: Sequence[Chunk]) -> list[FloatArray]:
        steps.append(list(chunks))
        return forward(chunks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.backend, "forward", watched)
        for member in members:
            engine.submit(member.job(model, f"{member.member} again"))
        outputs = run(engine)
    first = [len(chunk.tokens) for chunk in steps[0]]
    # All but the last token of each prompt is held: both go in the first step where there is room.
    assert len(first) == min(budget, 2)
    assert sum(first) <= budget
    assert (sum(first) > 2) == (budget > 2)
    for member in members:
        assert rows_of(outputs, f"{member.member} again") == page.naive(model)
    assert_at_rest(engine)


def test_a_draft_is_cut_at_a_decision() -> None:
    """What is left of it fits; of nothing there is no draft."""
    tokens = np.arange(6, dtype=np.int32)
    ends = (1, 2, 6)
    draft = Draft(tokens, tuple(Step((0, end), "entity before", end) for end in ends))
    assert draft.within(6) is draft
    cut = draft.within(5)
    assert (cut.tokens.tolist(), [step.end for step in cut.steps]) == ([0, 1], [1, 2])
    assert draft.within(0) is NO_DRAFT
