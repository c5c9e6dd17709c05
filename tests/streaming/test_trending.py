"""What is watched now, and what was watched at an earlier clock."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.trends import TrendCounter
from streaming.trending import RECENT, LiveTrends

CATALOG = Catalog.build([Entity(f"e{n}", "film", f"Film {n}") for n in range(6)], [])
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
    known = [one for one in watched if one[0] != "nowhere"]
    cut = max(0, len(known) - recent)
    plain = TrendCounter(CATALOG)
    hidden = any(ts > at for _, ts in known)
    for entity_id, ts in known[:cut] + [one for one in known[cut:] if one[1] <= at or not hidden]:
        plain.add(entity_id, ts)
    np.testing.assert_allclose(
        trends.snapshot(at).scores, plain.snapshot().scores, rtol=1e-5, atol=1e-7
    )


def test_an_earlier_clock_counts_no_engagement_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop waits meanwhile: ten thousand of them are one pass over columns."""
    trends = LiveTrends(CATALOG)
    trends.count((f"e{n % 6}", float(n)) for n in range(RECENT))
    monkeypatch.delattr(TrendCounter, "add")
    assert trends.snapshot(RECENT / 2).scores.sum() == pytest.approx(RECENT / 2, rel=0.1)
