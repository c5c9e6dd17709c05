"""The feature store: live, and never ahead of the request."""

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.multistage.candidates import propose
from evaluation.multistage.columns import Columns
from evaluation.multistage.entity_features import FEATURES, EntityFeatures
from evaluation.multistage.factors import learn_factors
from evaluation.multistage.store import SIGNAL, SIGNALS, FeatureStore
from evaluation.source import Source

AT = 2.0e6


def store_of(paired: Source, columns: Columns, at: float = AT) -> FeatureStore:
    """A store as of ``at``."""
    store = FeatureStore(paired.catalog, columns)
    store.learn(at)
    store.advance(at)
    return store


def busy(columns: Columns, at: float = AT) -> NDArray[np.int64]:
    """The events before ``at`` of the member who acted last."""
    before = np.flatnonzero(columns.ts < at)
    return np.asarray(before[columns.user[before] == columns.user[before[-1]]])


def test_the_future_changes_nothing(paired: Source, columns: Columns) -> None:
    """Signals and features are the same with and without the events that come later."""
    events = busy(columns)
    known = columns.until(AT)
    results = []
    for log in (columns, known):
        store = store_of(paired, log)
        history = log.history(events)
        signals = store.signals(history, AT)
        candidates = np.arange(0, 60, 3)
        results.append((signals, EntityFeatures(store).of(candidates, signals, history, AT)))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1], equal_nan=True)


def test_an_event_counts_at_once(paired: Source, columns: Columns) -> None:
    """A member's newest title moves what is near it up, in the very next request."""
    store = store_of(paired, columns)
    events = busy(columns)
    at = float(columns.ts[events[-1]]) + 60.0
    before = store.signals(columns.history(events[:-1]), at)
    after = store.signals(columns.history(events), at)
    circle = int(columns.entity[events[-1]]) // 10
    own = slice(10 * circle, 10 * circle + 10)
    near = SIGNAL["near"]
    assert after[near, own].sum() > before[near, own].sum()
    assert after[near, own].sum() > 0.9 * after[near].sum()


def test_a_pause_ends_the_sitting(paired: Source, columns: Columns) -> None:
    """After half a day nothing is near in time, and the history still speaks."""
    store = store_of(paired, columns)
    history = columns.history(busy(columns))
    signals = store.signals(history, float(history.ts[-1]) + 13 * 3600)
    assert not signals[[SIGNAL["near"], SIGNAL["near_last"], SIGNAL["next"]]].any()
    assert signals[SIGNAL["near_history"]].any()


def test_a_new_member_gets_trends(paired: Source, columns: Columns) -> None:
    """Without a history only the counts speak, and features are still to be had."""
    store = store_of(paired, columns)
    history = columns.history(np.zeros(0, np.int64))
    signals = store.signals(history, AT)
    silent = [SIGNAL[name] for name in SIGNALS if not name.startswith("trend")]
    assert not signals[silent].any()
    assert signals[SIGNAL["trend_30d"]].any()
    found = EntityFeatures(store).of(np.arange(5), signals, history, AT)
    assert found.shape == (5, len(FEATURES))


def test_candidates_are_allowed_ones(paired: Source, columns: Columns) -> None:
    """Nothing is proposed that may not be, and the best of a generator is."""
    store = store_of(paired, columns)
    history = columns.history(busy(columns))
    signals = store.signals(history, AT)
    allowed = np.zeros(60, np.bool_)
    allowed[::2] = True
    proposed = propose(signals, allowed)
    assert len(proposed)
    assert allowed[proposed].all()
    best = int(np.argmax(np.where(allowed, signals[SIGNAL["trend_1.5d"]], -1.0)))
    assert best in proposed


def test_a_member_is_solved_for_as_als_does(columns: Columns) -> None:
    """The member's vector minimises the weighted squares that ALS minimises."""
    factors = learn_factors(columns.user, columns.entity, 60, factors=8, alpha=3.0)
    history = np.array([3, 5, 8])
    confidence = np.ones(60)
    confidence[history] = 4.0
    wanted = np.zeros(60)
    wanted[history] = 1.0
    items = factors.items.astype(np.float64)
    left = items.T @ (confidence[:, None] * items) + 5.0 * np.eye(8)
    member = np.linalg.solve(left, items.T @ (confidence * wanted))
    assert factors.scores(history) == pytest.approx(items @ member, abs=1e-4)
