"""Many events at once against the fold that defines what one does."""

import random

import pytest

from api.folding import folded, since
from genpage.context import Context, apply_event
from genpage.event import Event
from genpage.profile import Profile


def event(number: int, ts: float) -> Event:
    """An event whose id is its number."""
    return Event(f"x{number}", "ada", f"e{number}", "play", ts)


@pytest.mark.parametrize("seed", range(50))
def test_folding_many_is_folding_one_by_one(seed: int) -> None:
    """Late ones, repeated ones, equal times and overflow included."""
    draw = random.Random(seed)
    limit = draw.randint(1, 12)
    whole = single = Context("ada")
    for _ in range(3):
        some = [
            event(draw.randint(0, 30), float(draw.randint(0, 9)))
            for _ in range(draw.randint(0, 20))
        ]
        whole = folded(whole, some, limit=limit)
        for one in some:
            single = apply_event(single, one, limit=limit)
        assert whole == single


def test_nothing_new_is_the_same_context() -> None:
    """Ids that are held change nothing."""
    context = folded(Context("ada"), [event(1, 1.0)])
    assert folded(context, [event(1, 5.0)]) is context


def test_what_a_full_history_let_go_does_not_come_back() -> None:
    """Events behind its oldest are the store's own past; newer ones and the profile are news."""
    store = folded(Context("ada"), [event(n, float(n)) for n in range(512)])
    page = folded(store, [event(1_000 + n, 600.0) for n in range(100)])
    assert since(page, store) == page
    later = folded(store, [event(2_000, 700.0)])
    merged = since(page, Context("ada", Profile("ada", "mi"), later.events))
    assert len(merged.events) == 512
    assert merged.events[-1].event_id == "x2000"
    assert merged.profile == Profile("ada", "mi")


def test_a_profile_that_the_store_lost_holds_on() -> None:
    """A page that goes on keeps the limits that it began with."""
    kid = Profile("ada", profile_type="kid", maturity=7)
    assert since(Context("ada", kid), Context("ada", revision=3)).profile == kid
