"""Events straight into the store, and into the trend counts."""

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.event import Event
from genpage.trends import Trends
from streaming.direct import DirectSink
from streaming.memory import MemoryContextStore
from streaming.trending import LiveTrends

CATALOG = Catalog.build([Entity("a", "film", "A"), Entity("b", "film", "B")], [])


async def test_a_published_event_is_known_and_counted_once() -> None:
    """A repeated event id neither changes the context nor the counts."""
    store, trends = MemoryContextStore(), LiveTrends(CATALOG)
    sink = DirectSink(store, trends)
    for _ in range(2):
        await sink.publish([Event("e1", "ada", "b", "play", 10.0)])
    context = await store.get("ada")
    assert context is not None
    assert len(context.events) == 1
    assert trends.snapshot().scores.tolist() == [0.0, 1.0]


async def test_an_unknown_entity_is_stored_and_counts_for_nothing() -> None:
    """The context keeps what the catalog does not know yet."""
    store, trends = MemoryContextStore(), LiveTrends(CATALOG)
    await DirectSink(store, trends).publish([Event("e1", "ada", "new", "play", 10.0)])
    context = await store.get("ada")
    assert context is not None
    assert context.events[0].entity_id == "new"
    assert trends.snapshot().scores.tolist() == [0.0, 0.0]


def test_an_earlier_clock_hides_later_engagements() -> None:
    """Counts as of a time are those of a server that never saw what came after."""
    trends, then = LiveTrends(CATALOG, recent=3), LiveTrends(CATALOG, recent=3)
    for live in (trends, then):
        live.count([("a", 10.0), ("b", 20.0), ("a", 30.0), ("b", 40.0)])
    trends.count([("a", 90.0)])
    assert trends.snapshot(40.0).scores.tolist() == then.snapshot().scores.tolist()
    assert trends.snapshot(90.0) is trends.snapshot()
    assert LiveTrends(CATALOG).snapshot(5.0).top(2) == ()


def test_a_snapshot_is_kept_until_something_changes() -> None:
    """Requests between two events share one array, and seeded counts decay with time."""
    trends = LiveTrends(CATALOG)
    trends.seed(Trends(trends.snapshot().scores + 4.0), 0.0)
    seeded = trends.snapshot()
    assert trends.snapshot() is seeded
    trends.add([Event("e1", "ada", "a", "play", 1.5 * 86_400.0)])
    assert trends.snapshot().scores.tolist() == [3.0, 2.0]
    assert seeded.scores.tolist() == [4.0, 4.0]
