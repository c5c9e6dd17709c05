"""All events in time order, as columns of small numbers.

Entities are numbered in the order of their first event, so that "all entities seen before t" are
the first few numbers: a prefix of any array over entities.

Shape legend: N events, U users, E entities that had an event.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EventLog:
    """Events by time (ties as they came). Arrays are read only."""

    user_ids: tuple[str, ...]  # U
    entity_ids: tuple[str, ...]  # E, by first event
    user: Numbers  # (N,)
    entity: Numbers  # (N,)
    ts: Times  # (N,) Unix seconds
    first_seen: Times  # (E,) ascending: each entity's first event
    by_user: Numbers  # (N,) the events by (user, time)
    offsets: Numbers  # (U + 1,) user u's events are by_user[offsets[u] : offsets[u + 1]]

    @classmethod
    def of(
        cls, user_ids: Sequence[str], entity_ids: Sequence[str], ts: Sequence[float] | Times
    ) -> "EventLog":
        """From columns of equal length, in any order of time."""
        times = np.asarray(ts, np.float64)
        order = np.argsort(times, kind="stable")
        times = times[order]
        user, users = _numbered(user_ids, order)
        entity, entities = _numbered(entity_ids, order)
        _, first = np.unique(entity, return_index=True)
        sizes = np.bincount(user, minlength=len(users))
        return cls(
            users,
            entities,
            user,
            entity,
            times,
            times[first],
            np.argsort(user, kind="stable"),
            np.concatenate([[0], np.cumsum(sizes)]),
        )


def _numbered(ids: Sequence[str], order: Numbers) -> tuple[Numbers, tuple[str, ...]]:
    """Each event's number in time order, and the ids by number."""
    numbers: dict[str, int] = {}
    column = [numbers.setdefault(ids[position], len(numbers)) for position in order.tolist()]
    return np.array(column, np.int64), tuple(numbers)
