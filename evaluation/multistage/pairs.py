"""Which titles were had by the same member, how near in time, and since when that is known.

A pair (anchor, other) is known from the later of its two events on. Pairs are kept sorted by
anchor and time, so that any past moment can be asked about: nothing later is ever counted.

Shape legend: N events, E entities by catalog index, P pairs, a anchors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY

Ints = NDArray[np.int64]
Times = NDArray[np.float64]
Floats = NDArray[np.float32]
NEAR_S = SECONDS_A_DAY / 2
# A member's event is paired with so many of theirs before it; of an anchor the newest pairs count.
EARLIER = 30
NEWEST = 2000


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of a log. ``weight`` is what one pair counts."""

    entities: int
    offsets: Ints  # (E + 1,) anchor a's pairs are offsets[a] : offsets[a + 1]
    other: NDArray[np.int32]  # (P,)
    weight: Floats  # (P,)
    known_from: Times  # (P,) ascending within an anchor

    def counts(self, anchors: Ints, worth: Floats, at: float, *, unit: float = 10.0) -> Floats:
        """(E,) the pairs with ``anchors`` (a,) known before ``at``, each anchor by its ``worth``.

        An anchor's counts are shares of its own total, shrunk by ``unit`` pairs: a popular anchor
        says no more than another.
        """
        others, weights = [], []
        for anchor, value in zip(anchors.tolist(), worth.tolist(), strict=True):
            start, end = self.offsets[anchor], self.offsets[anchor + 1]
            end = start + int(np.searchsorted(self.known_from[start:end], at, side="left"))
            start = max(start, end - NEWEST)
            if end > start:
                found = self.weight[start:end]
                others.append(self.other[start:end])
                weights.append(found * (value / (float(found.sum()) + unit)))
        if not others:
            return np.zeros(self.entities, np.float32)
        return np.bincount(np.concatenate(others), np.concatenate(weights), self.entities).astype(
            np.float32
        )


def near_pairs(user: Ints, entity: Ints, ts: Times, entities: int) -> Pairs:
    """Titles had within `NEAR_S` of each other, both ways; the nearer in time the more.

    Columns (N,) of events in time order.
    """
    anchor, other, known, gap = _paired(user, entity, ts)
    near = gap < NEAR_S
    anchor, other, known, gap = anchor[near], other[near], known[near], gap[near]
    weight = 1.0 / (1.0 + gap / 3600.0)
    return _sorted(
        np.concatenate([anchor, other]),
        np.concatenate([other, anchor]),
        np.concatenate([known, known]),
        np.concatenate([weight, weight]),
        entities,
    )


def shared_pairs(user: Ints, entity: Ints, ts: Times, entities: int) -> Pairs:
    """Titles of the same member at whatever distance, both ways, each pair alike."""
    anchor, other, known, _ = _paired(user, entity, ts)
    return _sorted(
        np.concatenate([anchor, other]),
        np.concatenate([other, anchor]),
        np.concatenate([known, known]),
        np.ones(2 * len(anchor)),
        entities,
    )


def next_pairs(user: Ints, entity: Ints, ts: Times, entities: int) -> Pairs:
    """Which title came right after which within a sitting, one way."""
    anchor, other, known, gap = _paired(user, entity, ts, earlier=1)
    near = gap < NEAR_S
    return _sorted(anchor[near], other[near], known[near], np.ones(int(near.sum())), entities)


def _paired(
    user: Ints, entity: Ints, ts: Times, earlier: int = EARLIER
) -> tuple[Ints, Ints, Times, Times]:
    """Each event with those before it: (earlier entity, later entity, later time, gap)."""
    order = np.lexsort((np.arange(len(ts)), user))
    users, entities, times = user[order], entity[order], ts[order]
    parts = []
    for step in range(1, min(earlier, len(order) - 1) + 1):
        same = (users[step:] == users[:-step]) & (entities[step:] != entities[:-step])
        late = np.flatnonzero(same) + step
        early = late - step
        parts.append((entities[early], entities[late], times[late], times[late] - times[early]))
    if not parts:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, np.zeros(0), np.zeros(0)
    first, second, known, gap = (np.concatenate(column) for column in zip(*parts, strict=True))
    return first, second, known, gap


def _sorted(anchor: Ints, other: Ints, known: Times, weight: Times, entities: int) -> Pairs:
    order = np.lexsort((known, anchor))
    sizes = np.bincount(anchor, minlength=entities)
    return Pairs(
        entities,
        np.concatenate([[0], np.cumsum(sizes)]),
        other[order].astype(np.int32),
        weight[order].astype(np.float32),
        known[order],
    )
