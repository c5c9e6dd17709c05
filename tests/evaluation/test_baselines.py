"""The rolling counts are the twins of counting anew for every event."""

from collections.abc import Callable

import numpy as np
import pytest

from evaluation.baselines import Baseline, TrendingDecay, baselines
from evaluation.log import EventLog, Times

from .conftest import MakeLog

DAY = 86_400.0
Naive = Callable[[EventLog, float], Times]


def counted(log: EventLog, weights: Times) -> Times:
    """Sums of weights (N,) by entity."""
    return np.bincount(log.entity, weights, len(log.entity_ids)).astype(np.float64)


def naive_popularity(log: EventLog, at: float) -> Times:
    """All events strictly before."""
    return counted(log, (log.ts < at).astype(float))


def naive_window(log: EventLog, at: float) -> Times:
    """Those of the last seven days."""
    return counted(log, ((log.ts < at) & (log.ts >= at - 7 * DAY)).astype(float))


def naive_decay(log: EventLog, at: float) -> Times:
    """Each event by its age in half-lives of 1.5 days."""
    return counted(log, np.where(log.ts < at, 0.5 ** ((at - log.ts) / (1.5 * DAY)), 0.0))


@pytest.mark.parametrize(
    ("name", "naive"),
    [
        ("popularity", naive_popularity),
        ("trending_7d", naive_window),
        ("trending_decay", naive_decay),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_rolling_counts(make_log: MakeLog, name: str, naive: Naive, seed: int) -> None:
    """At every time of the log, and between, the counts are those made from scratch."""
    log = make_log(seed=seed)
    baseline: Baseline = baselines(log)[name]
    times = np.unique(np.concatenate([log.ts, log.ts + 1.0, log.ts + 7 * DAY]))
    for at in times.tolist():
        found, expected = baseline.scores(at), naive(log, at)
        if name == "trending_decay":  # known up to a factor
            if not expected.any():
                assert not found.any()
                continue
            found, expected = found / found.max(), expected / expected.max()
        assert np.allclose(found, expected, rtol=1e-9, atol=0.0)


def test_decay_survives_years(make_log: MakeLog) -> None:
    """Counts neither overflow nor vanish over a decade."""
    log = make_log([("a", f"e{n % 3}", n * 40 * DAY) for n in range(100)])
    baseline = TrendingDecay(log)
    for at in log.ts.tolist():
        scores = baseline.scores(at + 1.0)
        assert np.isfinite(scores).all()
    assert log.entity_ids[int(scores.argmax())] == "e0"
