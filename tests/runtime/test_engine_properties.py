"""Nothing around a page changes it: whatever else happens, each page is its naive twin's."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import SERIALISED, FakeClock, Plan, finish_of, library, plan, random_plan, rows_of
from strategies import World, worlds

from genpage.catalog import Catalog
from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.limits import Limits
from runtime.output import Output

LIMITS = st.builds(
    Limits,
    batch=st.integers(1, 5),
    queue=st.just(10),
    prefill_tokens=st.integers(1, 9),
    prefill_tokens_alone=st.integers(1, 40),
    prefix_cache=st.booleans(),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """A page that comes at a step, and may be cancelled so many steps later."""

    plan: Plan
    page_id: str
    comes: int
    leaves: int | None


def visits(chance: random.Random, catalog: Catalog, count: int) -> list[Visit]:
    """Pages of few members, coming in any order, some leaving early."""
    return [
        Visit(
            random_plan(chance, catalog),
            f"p{number}",
            chance.randint(0, 12),
            chance.choice((None, None, chance.randint(0, 15))),
        )
        for number in range(count)
    ]


def play(engine: Engine, model: FakeModel, pages: list[Visit]) -> list[Output]:
    """Let every visit come and go at its step; all that was told."""
    outputs: list[Output] = []
    step = 0
    while engine.busy or step <= max(page.comes for page in pages):
        for page in pages:
            if page.comes == step:
                engine.submit(page.plan.job(model, page.page_id))
            if page.leaves is not None and page.comes + page.leaves == step:
                engine.cancel(page.page_id)
        outputs += engine.step()
        engine.check_integrity()
        step += 1
    return outputs


@given(worlds(), LIMITS, st.integers(1, 4), st.integers(1, 6))
def test_nothing_around_a_page_changes_it(
    world: World, limits: Limits, slots: int, count: int
) -> None:
    """Arrival, batching, others' cancellation, prefix cache, chunk sizes and slots: no token."""
    model = FakeModel.of(
        world.catalog,
        slots=slots,
        levels=world.chance.choice((None, 3)),
        serialised=world.chance.choice(SERIALISED),
    )
    pages = visits(world.chance, world.catalog, count)
    engine = Engine(limits, clock=FakeClock())
    outputs = play(engine, model, pages)
    for page in pages:
        rows = rows_of(outputs, page.page_id)
        whole = page.plan.naive(model)
        finish = finish_of(outputs, page.page_id)
        assert rows == whole[: len(rows)]
        assert not page.plan.broken(rows)
        if finish.reason == "cancelled":
            assert page.leaves is not None
        else:
            assert rows == whole
            assert finish.reason == (
                "complete" if len(rows) == page.plan.request.rows else "exhausted"
            )
    stats = engine.stats()
    assert (stats.live, stats.waiting, stats.live_tokens) == (0, 0, 0)


@given(worlds(), LIMITS, st.integers(0, 30))
def test_a_page_broken_off_anywhere_goes_on_token_for_token(
    world: World, limits: Limits, steps: int
) -> None:
    """Cut after any number of steps and taken up again, beside another page of the member."""
    page = random_plan(world.chance, world.catalog)
    other = random_plan(world.chance, world.catalog)
    model = FakeModel.of(world.catalog, slots=2, serialised=world.chance.choice(SERIALISED))
    engine = Engine(limits, clock=FakeClock())
    engine.submit(page.job(model))
    outputs: list[Output] = []
    for _ in range(steps):
        outputs += engine.step()
    engine.cancel("page")
    outputs += engine.step()
    shown = rows_of(outputs)
    engine.submit(other.job(model, "other"))
    engine.submit(page.job(model, shown=shown))
    rest: list[Output] = []
    while engine.busy:
        rest += engine.step()
        engine.check_integrity()
    assert shown + rows_of(rest) == page.naive(model)
    assert rows_of(rest, "other") == other.naive(model)


@pytest.mark.parametrize("swap", [0, 7, 30])
def test_a_swap_changes_no_page_under_way(swap: int) -> None:
    """Pages of the old bundle and of the new run side by side, each as if alone."""
    catalog = library()
    old, new = FakeModel.of(catalog, seed=1), FakeModel.of(catalog, seed=2)
    engine = Engine(clock=FakeClock())
    page = plan(catalog, rows=5)
    engine.submit(page.job(old, "old"))
    outputs = [output for _ in range(swap) for output in engine.step()]
    engine.submit(page.job(new, "new"))
    while engine.busy:
        outputs += engine.step()
    pages = {"old": page.naive(old), "new": page.naive(new)}
    assert pages["old"] != pages["new"]
    for page_id, rows in pages.items():
        assert rows_of(outputs, page_id) == rows
