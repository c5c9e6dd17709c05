"""Decayed counts."""

import numpy as np
from hypothesis import given
from strategies import World, worlds

from genpage.injection import inject
from genpage.trends import HALF_LIFE_S, TrendCounter, Trends


@given(worlds())
def test_counts_agree_with_the_plain_sum(world: World) -> None:
    """The O(1) fold gives what summing every event's decay gives, over any span of time."""
    if not world.catalog.entities:
        return
    counter = TrendCounter(world.catalog)
    events = [
        (world.chance.choice(world.catalog.entities).id, world.chance.random() * 3e8)
        for _ in range(20)
    ]
    for entity_id, ts in events:
        counter.add(entity_id, ts)
    newest = max(ts for _, ts in events)
    expected = np.zeros(len(world.catalog.entities))
    for entity_id, ts in events:
        index = world.catalog.entity_positions[entity_id]
        expected[index] += 0.5 ** ((newest - ts) / HALF_LIFE_S)
    np.testing.assert_allclose(counter.snapshot().scores, expected, rtol=1e-5, atol=1e-7)


@given(worlds())
def test_a_seeded_counter_goes_on_where_the_snapshot_was(world: World) -> None:
    """Starting from a snapshot and adding gives what counting everything gives."""
    if not world.catalog.entities:
        return
    whole, first = TrendCounter(world.catalog), TrendCounter(world.catalog)
    for number in range(20):
        if number == 10:
            later = TrendCounter(world.catalog)
            later.seed(first.snapshot(), 9e4)
            first = later
        entity_id = world.chance.choice(world.catalog.entities).id
        whole.add(entity_id, number * 1e4)
        first.add(entity_id, number * 1e4)
    np.testing.assert_allclose(first.snapshot().scores, whole.snapshot().scores, rtol=1e-4)


@given(worlds())
def test_only_what_was_watched_trends(world: World) -> None:
    """Nothing without a count is called trending, and no more than asked."""
    top = world.trends.top(5)
    assert len(top) <= 5
    assert all(world.trends.scores[index] > 0 for index in top)
    assert Trends.none(world.catalog).top(5) == ()


@given(worlds())
def test_the_injection_says_only_what_is_true_at_the_time(world: World) -> None:
    """New titles are out, live ones on air, by the request's clock."""
    at = world.request.at
    injection = inject(world.catalog, world.trends, at, limit=3)
    by_id = {entity.id: entity for entity in world.catalog.entities}
    for entity_id in injection.new:
        released = by_id[entity_id].released_at
        assert released is not None
        assert released <= at
    for entity_id in injection.live:
        started = by_id[entity_id].live_from
        assert started is not None
        assert started <= at
    assert max(len(injection.new), len(injection.live), len(injection.trending)) <= 3


@given(worlds())
def test_the_top_is_what_a_full_sort_gives(world: World) -> None:
    """Ties stand in catalog order, wherever the cut falls."""
    scores = np.round(world.trends.scores * 3).astype(np.float32)
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
    for count in range(len(scores) + 2):
        expected = tuple(index for index in order[:count] if scores[index] > 0)
        assert Trends(scores).top(count) == expected
