"""KV within a bound: what is kept gives way to pages, and pages never to each other."""

import random
from dataclasses import dataclass, field, replace

import pytest
from engines import assert_at_rest, run
from hypothesis import given
from hypothesis import strategies as st
from pages import FakeClock, Plan, finish_of, library, plan, rows_of

from runtime.engine import Engine
from runtime.fake import FakeModel
from runtime.kv_memory import KVMemory
from runtime.limits import Limits


@dataclass(slots=True, eq=False)
class Held:
    """A holder with so many bytes reserved, and entries of these sizes, the oldest first."""

    reserved_bytes: int = 0
    entries: list[int] = field(default_factory=list)

    @property
    def kept_bytes(self) -> int:
        """All entries."""
        return sum(self.entries)

    def evict(self) -> bool:
        """The oldest entry goes."""
        return bool(self.entries and self.entries.pop(0) + 1)


def plan_of(page: Plan, member: str) -> Plan:
    """The same page for another member."""
    return replace(page, member=member)


SIZES = st.lists(st.integers(1, 9), max_size=5)


@given(st.integers(1, 60), st.lists(st.builds(Held, st.integers(0, 20), SIZES), min_size=1))
def test_settling_keeps_the_bound_and_no_more_goes_than_must(
    limit: int, holders: list[Held]
) -> None:
    """Another's oldest first; one entry more would not have fitted."""
    own = holders[-1]
    before = [list(holder.entries) for holder in holders]
    KVMemory(limit, lambda: holders).settle(own)
    held = sum(holder.reserved_bytes + holder.kept_bytes for holder in holders)
    assert held <= limit or not any(holder.entries for holder in holders)
    last = 0
    for holder, entries in zip(holders, before, strict=True):
        gone = len(entries) - len(holder.entries)
        assert holder.entries == entries[gone:]
        if gone:
            last = entries[gone - 1]
    if own.entries != before[-1]:
        assert not any(holder.entries for holder in holders[:-1])
    if last:
        assert held + last > limit


def test_a_page_fits_beside_those_under_way_or_is_alone() -> None:
    """What is kept is no hindrance; a bound under one page's need lets one through at a time."""
    holder = Held(entries=[50])
    memory = KVMemory(40, lambda: [holder])
    assert memory.can_reserve(100)
    holder.reserved_bytes = 30
    assert memory.can_reserve(10)
    assert not memory.can_reserve(11)


def test_members_beyond_the_bound_are_forgotten_in_the_order_they_came() -> None:
    """Of five members two fit; the last two are warm when they come again."""
    page = plan(library(), rows=2, entities_per_row=5)
    model = FakeModel.of(page.catalog, slots=9)
    size = (5 + 12) * model.backend.token_bytes
    engine = Engine(Limits(kv_bytes=3 * size, batch=1), clock=FakeClock())
    for number in range(5):
        job = plan_of(page, f"member {number}")
        engine.submit(job.job(model, f"page {number}"))
        run(engine)
        assert engine.stats().kv_bytes <= 3 * size
    assert engine.stats().evictions > 0
    for number, cached in ((4, 4), (0, 0)):
        engine.submit(plan_of(page, f"member {number}").job(model, "again"))
        assert finish_of(run(engine), "again").cached_prompt_tokens == cached
    assert_at_rest(engine, 9)


def test_pages_wait_for_memory_and_all_come_out_whole() -> None:
    """With room for two at once, five pages are made, each as if alone."""
    page = plan(library(), rows=3, entities_per_row=5)
    model = FakeModel.of(page.catalog, slots=9)
    size = (5 + 18) * model.backend.token_bytes
    engine = Engine(Limits(kv_bytes=2 * size), clock=FakeClock())
    for number in range(5):
        engine.submit(plan_of(page, f"member {number}").job(model, f"page {number}"))
    engine.step()
    assert (engine.stats().live, engine.stats().waiting) == (2, 3)
    outputs = run(engine)
    naive = page.naive(model)
    for number in range(5):
        assert rows_of(outputs, f"page {number}") == naive


@pytest.mark.parametrize(("serialised", "live"), [(None, 1), (9, 1), (5, 1), (2, 2), (1, 3)])
def test_a_page_reserves_what_its_rows_feed(serialised: int | None, live: int) -> None:
    """A tail in no sequence takes no KV: of short rows more pages fit beside each other."""
    page = plan(library(), rows=3, entities_per_row=5)
    model = FakeModel.of(page.catalog, slots=9, serialised=serialised)
    engine = Engine(Limits(kv_bytes=33 * model.backend.token_bytes), clock=FakeClock())
    for number in range(3):
        engine.submit(plan_of(page, f"member {number}").job(model, f"page {number}"))
    engine.step()
    assert engine.stats().live == live
    outputs = run(engine)
    for number in range(3):
        assert rows_of(outputs, f"page {number}") == page.naive(model)


@pytest.mark.parametrize("kv_bytes", [1, 500, 3_000, 1 << 20])
def test_a_bound_changes_no_page(kv_bytes: int) -> None:
    """However little may be kept: the same pages, and never more than the bound or one page."""
    chance = random.Random(kv_bytes)
    page = plan(library(), rows=3, entities_per_row=5)
    model = FakeModel.of(page.catalog, slots=6)
    naive = page.naive(model)
    engine = Engine(Limits(kv_bytes=kv_bytes, batch=3), clock=FakeClock())
    one = (5 + 18) * model.backend.token_bytes
    for number in range(12):
        member = f"member {chance.randint(0, 4)}"
        engine.submit(plan_of(page, member).job(model, f"page {number}"))
        if chance.random() < 0.5:
            outputs = run(engine)
            assert rows_of(outputs, f"page {number}") == naive
        assert engine.stats().kv_bytes <= max(kv_bytes, one)
    run(engine)
    assert_at_rest(engine, 6)


def test_another_bundles_warm_prompts_give_way_first() -> None:
    """After a swap, what the earlier bundle kept makes room for the one that serves."""
    page = plan(library(), rows=2, entities_per_row=5)
    old, new = (FakeModel.of(page.catalog, slots=4, seed=seed) for seed in (1, 2))
    size = (5 + 12) * old.backend.token_bytes
    engine = Engine(Limits(kv_bytes=3 * size, batch=1), clock=FakeClock())
    for model, member in ((old, "ada"), (new, "bob"), (new, "eve"), (new, "kim")):
        engine.submit(plan_of(page, member).job(model, "page"))
        run(engine)
    found = {}
    for model, member in ((new, "bob"), (new, "eve"), (old, "ada")):
        engine.submit(plan_of(page, member).job(model, "page"))
        found[member] = finish_of(run(engine), "page").cached_prompt_tokens
    assert found == {"bob": 4, "eve": 4, "ada": 0}
