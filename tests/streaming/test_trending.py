"""What is watched now, and what was watched at an earlier clock."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.trends import DecayedCounts, TrendCounter, Trends
from streaming.trending import RECENT, LiveTrends

CATALOG = Catalog.build([Entity(f"e{n}", "film", f"Film {n}") for n in range(6)], [])
LATER = Catalog.build([Entity("nowhere", "film", "Somewhere"), *CATALOG.entities], [])
engagements = st.lists(
    st.tuples(st.sampled_from(("e0", "e1", "e5", "nowhere")), st.floats(0, 1e9)), max_size=30
)


@given(engagements, st.floats(-1, 1e9), st.integers(1, 40))
def test_an_earlier_clock_sees_what_was_counted_by_then(
    watched: Sequence[tuple[str, float]], at: float, recent: int
) -> None:
    """All but the newest engagements are known in sum alone; of those the later ones are hidden."""
    trends = LiveTrends(CATALOG, recent=recent)
    trends.count(watched)
    cut = max(0, len(watched) - recent)
    plain = TrendCounter(LATER)
    hidden = any(ts > at for _, ts in watched)
    counted = [one for one in watched[cut:] if one[1] <= at or not hidden]
    for entity_id, ts in [*watched[:cut], *counted]:
        plain.add(entity_id, ts)
    wanted = plain.snapshot().scores
    np.testing.assert_allclose(trends.snapshot(at).scores, wanted[1:], rtol=1e-5, atol=1e-7)
    # A title whose document came later was counted all the same.
    np.testing.assert_allclose(trends.snapshot(at, LATER).scores, wanted, rtol=1e-5, atol=1e-7)


def test_an_earlier_clock_counts_no_engagement_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop waits meanwhile: ten thousand of them are one pass over columns."""
    trends = LiveTrends(CATALOG)
    trends.count((f"e{n % 6}", float(n)) for n in range(RECENT))
    monkeypatch.delattr(DecayedCounts, "add")
    assert trends.snapshot(RECENT / 2).scores.sum() == pytest.approx(RECENT / 2, rel=0.1)


def test_a_snapshot_is_kept_until_an_event_arrives() -> None:
    """For each catalog in use."""
    trends = LiveTrends(CATALOG)
    trends.count([("e1", 1.0)])
    first, later = trends.snapshot(), trends.snapshot(None, LATER)
    assert (trends.snapshot(), trends.snapshot(None, LATER)) == (first, later)
    assert later.scores.tolist() == [0.0, *first.scores.tolist()]
    trends.count([("nowhere", 1.0)])
    assert trends.snapshot(None, LATER).scores[0] == 1.0


async def test_a_large_catalog_is_met_in_turns_with_everything_else() -> None:
    """Events are counted meanwhile; then its counts are there at once, and nothing is looked up."""
    trends, turns, many = LiveTrends(CATALOG), 0, 5_000
    titles = [Entity(f"e{n}", "film", f"Film {n}") for n in range(many)]
    large = Catalog.build(titles, [])
    meeting = asyncio.create_task(trends.meet(large))
    while not meeting.done():
        trends.count([(f"e{many - 1}", 1.0), ("e0", 1.0)])
        turns += 1
        await asyncio.sleep(0)
    assert turns >= many / 1_000
    await trends.meet(large)
    # Looking a title up would fail from here on.
    object.__setattr__(large, "entities", None)
    scores = trends.snapshot(None, large).scores
    assert scores[[0, 1, -1]].tolist() == [turns, 0.0, turns]


def test_titles_nobody_heard_of_are_bounded() -> None:
    """Their events count once their document is there."""
    trends = LiveTrends(CATALOG, unheard=2)
    trends.count([("x", 1.0), ("y", 1.0), ("nowhere", 1.0)])
    assert trends.snapshot(None, LATER).scores[0] == 0.0
    trends.count([("nowhere", 1.0)])
    assert trends.snapshot(None, LATER).scores[0] == 1.0


def test_titles_that_a_catalog_has_take_no_strangers_room() -> None:
    """Their document came after their first event: another stranger is counted then."""
    trends = LiveTrends(CATALOG, unheard=1)
    trends.count([("nowhere", 1.0), ("x", 1.0)])
    assert trends.snapshot(None, LATER).scores[0] == 1.0
    trends.count([("x", 2.0)])
    known = Catalog.build([Entity("x", "film", "X"), *LATER.entities], [])
    assert trends.snapshot(None, known).scores[:2].tolist() == pytest.approx([1.0, 1.0], rel=1e-4)


def test_strangers_that_nobody_watches_any_more_make_room() -> None:
    """Whoever takes their place begins with nothing; those that are watched stay."""
    day = 86_400.0
    trends = LiveTrends(CATALOG, unheard=2, recent=2)
    trends.count([("x", 0.0), ("often", 0.0), ("e0", 0.0), ("e0", 0.0)])
    trends.count([("often", 30 * day), ("e0", 30 * day), ("e0", 30 * day)])
    trends.count([("nowhere", 30 * day)])
    often = Catalog.build([Entity("often", "film", "Often"), *LATER.entities], [])
    assert trends.snapshot(None, often).scores[:2].tolist() == pytest.approx([1.0, 1.0], rel=1e-4)


def test_counts_of_a_bundle_that_comes_first_are_begun_with() -> None:
    """By that bundle's catalog; not where something was counted."""
    trends = LiveTrends(Catalog.build([], []))
    trends.seed(Trends(np.arange(6, dtype=np.float32)), 100.0, CATALOG)
    assert trends.snapshot(None, CATALOG).top(2) == (5, 4)
    counted = LiveTrends(CATALOG)
    counted.count([("e1", 1.0)])
    assert [each.untouched for each in (LiveTrends(CATALOG), counted, trends)] == [
        True,
        False,
        False,
    ]
