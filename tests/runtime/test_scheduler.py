"""Who decodes and what a step feeds; no backend is ever run here."""

from dataclasses import replace

import pytest
from pages import Plan, library, plan

from genpage.errors import ConflictError, OverloadedError
from runtime.decoder import Decoder
from runtime.fake import FakeModel
from runtime.limits import Limits
from runtime.live import LiveJob
from runtime.scheduler import Scheduler

CATALOG = library(100, 5)


def page(
    model: FakeModel,
    page_id: str,
    prompt: int = 5,
    *,
    member: str | None = None,
    came: float = 0.0,
    deadline: float | None = None,
) -> LiveJob:
    """A page in hand whose prompt has this many tokens."""
    of_length = replace(
        plan(CATALOG, rows=2, entities_per_row=5),
        prompt=tuple(range(prompt)),
        member=member or page_id,
    )
    job = of_length.job(model, page_id, deadline=deadline)
    return LiveJob(job, Decoder(job), submitted=came)


def waiting(scheduler: Scheduler, *pages: LiveJob) -> None:
    """Submit them in this order."""
    for each in pages:
        scheduler.submit(each)


def feed(scheduler: Scheduler) -> dict[str, int]:
    """Carry out one step's plan on the books; tokens fed by page id, in the plan's order."""
    fed = {}
    for work in scheduler.schedule():
        scheduler.record(work)
        fed[work.page.job.page_id] = len(work.chunk.tokens)
        if work.page.decoder.fed(work.chunk):
            work.page.decoding_since = 0.0
            work.page.decoder.pending = work.page.job.model.row_tokens[:1]
    scheduler.check_integrity()
    return fed


def test_admission_is_first_come_first_served() -> None:
    """Slots go out in the order of arrival, and a freed one to the next in line."""
    model = FakeModel.of(CATALOG, slots=2)
    scheduler = Scheduler(Limits())
    a, b, c, d = (page(model, name) for name in "abcd")
    waiting(scheduler, a, b, c, d)
    scheduler.admit(0.0)
    assert [each.slot is not None for each in (a, b, c, d)] == [True, True, False, False]
    scheduler.remove(b)
    scheduler.admit(0.0)
    assert c.slot is not None
    assert d.slot is None
    assert (scheduler.live, scheduler.waiting) == (2, 1)


def admitted(scheduler: Scheduler, count: int) -> list[str]:
    """Who gets the only slot, one after the other."""
    order = []
    for _ in range(count):
        scheduler.admit(100.0)
        first = scheduler.pages()[0]
        order.append(first.job.page_id)
        scheduler.remove(first)
        scheduler.check_integrity()
    return order


def test_who_is_due_first_goes_first() -> None:
    """Deadlines before others, those without one as they came."""
    model = FakeModel.of(CATALOG, slots=1)
    scheduler = Scheduler(Limits(patience_s=10.0))
    waiting(
        scheduler,
        page(model, "a", came=1.0),
        page(model, "b", came=2.0),
        page(model, "late", came=3.0, deadline=200.0),
        page(model, "soon", came=4.0, deadline=5.0),
    )
    assert admitted(scheduler, 4) == ["soon", "a", "b", "late"]


def test_nobody_is_overtaken_for_longer_than_the_patience() -> None:
    """However many urgent pages come: those that came too late go behind who waited so long."""
    model = FakeModel.of(CATALOG, slots=1)
    scheduler = Scheduler(Limits(patience_s=10.0))
    waiting(scheduler, page(model, "calm", came=0.0))
    for second in range(0, 20, 2):
        came = float(second)
        waiting(scheduler, page(model, f"urgent {second}", came=came, deadline=came + 1.0))
    order = admitted(scheduler, 11)
    assert order.index("calm") == 5
    assert order[6] == "urgent 10"


def test_a_large_page_is_waited_for() -> None:
    """Small ones that came later do not take the memory that it waits for."""
    model = FakeModel.of(CATALOG, slots=4)
    token = model.backend.token_bytes
    scheduler = Scheduler(Limits(kv_bytes=100 * token))
    waiting(
        scheduler,
        page(model, "first", 40),
        page(model, "large", 80),
        page(model, "small", 5),
    )
    scheduler.admit(0.0)
    assert [each.job.page_id for each in scheduler.pages() if each.slot is not None] == ["first"]
    scheduler.remove(scheduler.pages()[0])
    scheduler.admit(0.0)
    assert [each.job.page_id for each in scheduler.pages() if each.slot is not None] == ["large"]
    scheduler.check_integrity()


def test_a_batch_bound_under_the_slots_holds() -> None:
    """More slots than the batch takes: the batch rules."""
    model = FakeModel.of(CATALOG, slots=8)
    scheduler = Scheduler(Limits(batch=2))
    waiting(scheduler, *(page(model, name) for name in "abc"))
    scheduler.admit(0.0)
    assert (scheduler.live, scheduler.waiting) == (2, 1)


def test_a_new_bundles_pages_do_not_wait_for_an_old_ones_slots() -> None:
    """Each backend has slots of its own; within one, nobody is overtaken."""
    old, new = FakeModel.of(CATALOG, slots=1), FakeModel.of(CATALOG, slots=1)
    scheduler = Scheduler(Limits())
    a, b, c, d = page(old, "a"), page(old, "b"), page(new, "c"), page(new, "d")
    waiting(scheduler, a, b, c, d)
    scheduler.admit(0.0)
    assert [each.slot for each in (a, b, c, d)] == [0, None, 0, None]
    scheduler.check_integrity()


def test_a_bundle_swapped_out_takes_its_books_along() -> None:
    """Once neither a page nor anybody else holds the backend."""
    scheduler = Scheduler(Limits())
    model = FakeModel.of(CATALOG)
    only = page(model, "a")
    waiting(scheduler, only)
    scheduler.admit(0.0)
    assert len(list(scheduler.slots())) == 1
    scheduler.remove(only)
    del only, model
    assert not list(scheduler.slots())


def test_a_full_queue_and_a_twin_are_refused() -> None:
    """Bounded admission, counted over live and waiting; one page of an id."""
    model = FakeModel.of(CATALOG, slots=1)
    scheduler = Scheduler(Limits(batch=1, queue=1))
    first = page(model, "a")
    waiting(scheduler, first)
    scheduler.admit(0.0)
    with pytest.raises(ConflictError, match="a is being generated"):
        scheduler.submit(page(model, "a"))
    waiting(scheduler, page(model, "b"))
    assert not scheduler.can_submit()
    with pytest.raises(OverloadedError):
        scheduler.submit(page(model, "c"))
    scheduler.remove(first)
    assert scheduler.can_submit()


def test_a_long_prompt_delays_live_rows_by_one_steps_budget() -> None:
    """Every decoding page advances in every step; beside it no more prompt than the budget."""
    model = FakeModel.of(CATALOG, slots=3)
    scheduler = Scheduler(Limits(prefill_tokens=10, prefill_tokens_alone=100))
    waiting(scheduler, page(model, "short", 5))
    scheduler.admit(0.0)
    assert feed(scheduler) == {"short": 5}
    waiting(scheduler, page(model, "long", 35))
    scheduler.admit(0.0)
    steps = [feed(scheduler) for _ in range(5)]
    assert steps == [
        {"short": 1, "long": 10},
        {"short": 1, "long": 10},
        {"short": 1, "long": 10},
        {"short": 1, "long": 5},
        {"short": 1, "long": 1},
    ]


def test_alone_a_prompt_takes_the_larger_budget() -> None:
    """With no row to delay."""
    model = FakeModel.of(CATALOG)
    scheduler = Scheduler(Limits(prefill_tokens=10, prefill_tokens_alone=100))
    waiting(scheduler, page(model, "a", 150))
    scheduler.admit(0.0)
    assert [feed(scheduler) for _ in range(2)] == [{"a": 100}, {"a": 50}]


def test_the_earliest_prompt_goes_first_and_the_next_takes_what_it_leaves() -> None:
    """No prompt waits for ever, and none is halved to be fair."""
    model = FakeModel.of(CATALOG, slots=3)
    scheduler = Scheduler(Limits(prefill_tokens=10, prefill_tokens_alone=10))
    waiting(scheduler, page(model, "a", 14), page(model, "b", 9), page(model, "c", 4))
    scheduler.admit(0.0)
    assert feed(scheduler) == {"a": 10}
    assert feed(scheduler) == {"a": 4, "b": 6}
    assert feed(scheduler) == {"a": 1, "b": 3, "c": 4}


def test_a_members_next_prompt_starts_behind_what_is_cached() -> None:
    """The slot's tokens count as fed already, but for the last."""
    model = FakeModel.of(CATALOG)
    scheduler = Scheduler(Limits())
    first = page(model, "first", 20, member="ada")
    waiting(scheduler, first)
    scheduler.admit(0.0)
    feed(scheduler)
    scheduler.remove(first)
    second, third = page(model, "b", 24, member="ada"), page(model, "c", 24, member="bob")
    waiting(scheduler, second, third)
    scheduler.admit(0.0)
    assert feed(scheduler) == {"b": 4, "c": 24}
    assert (second.cached, third.cached) == (20, 0)


def test_expiry_concerns_the_waiting_too() -> None:
    """A deadline counts from before a page has a slot."""
    model = FakeModel.of(CATALOG, slots=1)
    scheduler = Scheduler(Limits())
    pages = [page(model, name) for name in "ab"]
    late = Plan(CATALOG, plan(CATALOG).request).job(model, "c", deadline=5.0)
    pages.append(LiveJob(late, Decoder(late), submitted=0.0))
    waiting(scheduler, *pages)
    scheduler.admit(0.0)
    assert scheduler.expired(4.9) == []
    assert scheduler.expired(5.0) == [pages[2]]
