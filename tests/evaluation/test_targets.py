"""Which events are asked about, and what was known before each."""

import numpy as np
import pytest

from evaluation.log import EventLog
from evaluation.targets import RESTED_S, targets_between

from .conftest import MakeLog

HOUR = 3600.0


def naive(log: EventLog, start: float, end: float) -> list[tuple[int, int, int, bool, list[int]]]:
    """The protocol word by word: (event, earlier, pool, rested, own) of each target."""
    found = []
    events = list(zip(log.user.tolist(), log.entity.tolist(), log.ts.tolist(), strict=True))
    for position, (user, entity, ts) in enumerate(events):
        mine = [e for u, e, t in events if u == user and t < ts]
        anybodys = {e for _, e, t in events if t < ts}
        if not start <= ts < end or len(mine) < 5 or entity not in anybodys or entity in mine:
            continue
        before = [t for u, _, t in events[:position] if u == user]
        rested = ts - max(before) >= RESTED_S
        found.append((position, len(mine), len(anybodys), rested, sorted(set(mine))))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_twin_of_the_protocols_words(make_log: MakeLog, seed: int) -> None:
    """The columns find the events, pools and exclusions that plain loops find."""
    log = make_log(seed=seed)
    start, end = 100 * HOUR, 460 * HOUR
    targets = targets_between(log, start, end)
    expected = naive(log, start, end)
    assert len(expected) > 10
    assert [
        (int(e), int(k), int(p), bool(r), targets.own(n).tolist())
        for n, (e, k, p, r) in enumerate(
            zip(targets.event, targets.earlier, targets.pool, targets.rested, strict=True)
        )
    ] == expected


def test_by_hand(make_log: MakeLog) -> None:
    """A user's sixth event counts; a repeat, a title nobody had, and other days do not."""
    rows = [("b", "x", 0.0), ("b", "y", 0.0), ("b", "z", 0.0)]
    rows += [("a", f"t{n}", 10.0 + n) for n in range(5)]
    rows += [
        ("a", "x", 100.0),  # asked about; within the sitting
        ("a", "t0", 101.0),  # had it already
        ("a", "first", 102.0),  # nobody had it
        ("a", "y", 102.0 + 12 * HOUR),  # asked about; rested
        ("b", "t1", 102.0 + 12 * HOUR),  # three earlier events only
        ("a", "z", 200_000.0),  # on the end, which is outside
    ]
    log = make_log(rows)
    targets = targets_between(log, 50.0, 200_000.0)
    assert [log.entity_ids[e] for e in targets.entity] == ["x", "y"]
    assert targets.rested.tolist() == [False, True]
    assert targets.earlier.tolist() == [5, 8]
    assert targets.pool.tolist() == [8, 9]
    own = {log.entity_ids[e] for e in targets.own(1)}
    assert own == {"t0", "t1", "t2", "t3", "t4", "x", "first"}


def test_events_at_one_time_do_not_know_each_other(make_log: MakeLog) -> None:
    """Of six events in one second none has five earlier ones."""
    rows = [("b", f"t{n}", 0.0) for n in range(7)]
    rows += [("a", f"t{n}", 10.0) for n in range(6)]
    log = make_log([*rows, ("a", "t6", 20.0)])
    targets = targets_between(log, 0.0, 100.0)
    assert [log.entity_ids[e] for e in targets.entity] == ["t6"]
    assert targets.earlier.tolist() == [6]


def test_the_log_sorts_and_numbers_by_time(make_log: MakeLog) -> None:
    """Columns may come in any order; entities are numbered by their first event."""
    log = make_log([("a", "late", 9.0), ("b", "soon", 1.0), ("a", "soon", 5.0)])
    assert log.ts.tolist() == [1.0, 5.0, 9.0]
    assert log.entity_ids == ("soon", "late")
    assert log.first_seen.tolist() == [1.0, 9.0]
    assert log.user_ids == ("b", "a")
    assert log.by_user.tolist() == [0, 1, 2]


def test_nothing_to_ask(make_log: MakeLog) -> None:
    """An empty log or empty days give no targets."""
    assert len(targets_between(make_log([]), 0.0, 1e12)) == 0
    assert len(targets_between(make_log(), 1e12, 2e12)) == 0
    assert np.array_equal(targets_between(make_log(), 1e12, 2e12).ts, [])


def test_the_newest_of_each_drawn_user(make_log: MakeLog) -> None:
    """One a user, in time order, by the seed; all users where fewer have any."""
    targets = targets_between(make_log(seed=1), 100 * HOUR, 460 * HOUR)
    users = targets.user.tolist()
    everybody = targets.newest(len(users), seed=0)
    assert sorted(everybody.user.tolist()) == sorted(set(users))
    newest = dict(zip(users, targets.event.tolist(), strict=True))
    assert everybody.event.tolist() == sorted(newest.values())
    drawn = targets.newest(3, seed=5)
    assert drawn.event.tolist() == targets.newest(3, seed=5).event.tolist()
    assert len(set(drawn.user.tolist())) == 3
    chosen = [everybody.event.tolist().index(event) for event in drawn.event.tolist()]
    assert chosen == sorted(chosen)
    for column in ("earlier", "pool", "rested"):
        whole, part = getattr(everybody, column), getattr(drawn, column)
        assert part.tolist() == whole[chosen].tolist()
    assert any(
        targets.newest(3, seed=seed).user.tolist() != drawn.user.tolist() for seed in range(5)
    )
