"""Which events next-item evaluation asks about, and what was known before each (PROTOCOLS).

Every event in ``[start, end)`` of a user with at least 5 earlier events, whose entity somebody had
before and this user had not. "Before" and "earlier" are strict in time throughout.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from evaluation.log import EventLog, Numbers, Times

EARLIER_EVENTS = 5
RESTED_S = 12 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The n events asked about, in time order."""

    log: EventLog
    event: Numbers  # (n,) position in the log
    earlier: Numbers  # (n,) how many events the user had before
    pool: Numbers  # (n,) how many entities anybody had before: the candidates are 0..pool-1
    rested: NDArray[np.bool_]  # (n,) at least 12 hours after the user's previous event

    def __len__(self) -> int:
        return len(self.event)

    @property
    def user(self) -> Numbers:
        """(n,) whose event."""
        return self.log.user[self.event]

    @property
    def entity(self) -> Numbers:
        """(n,) the entity to be ranked high."""
        return self.log.entity[self.event]

    @property
    def ts(self) -> Times:
        """(n,) when."""
        return self.log.ts[self.event]

    def own(self, index: int) -> Numbers:
        """The distinct entities that the user of target ``index`` had before: no candidates."""
        start = self.log.offsets[self.log.user[self.event[index]]]
        before = self.log.by_user[start : start + self.earlier[index]]
        return np.unique(self.log.entity[before])

    def newest(self, users: int, *, seed: int) -> Self:
        """The newest target of each of ``users`` users, drawn (all, where there are fewer)."""
        found, last = np.unique(self.user[::-1], return_index=True)
        drawn = np.random.default_rng(seed).permutation(len(found))[:users]
        kept = np.sort(len(self) - 1 - last[drawn])
        return replace(
            self,
            event=self.event[kept],
            earlier=self.earlier[kept],
            pool=self.pool[kept],
            rested=self.rested[kept],
        )


def targets_between(log: EventLog, start: float, end: float) -> Targets:
    """The targets in ``[start, end)`` (Unix seconds)."""
    events = np.arange(len(log.ts))
    user, ts = log.user[log.by_user], log.ts[log.by_user]  # by (user, time)
    first = np.ones(len(events), np.bool_)
    first[1:] = user[1:] != user[:-1]
    gap = np.diff(ts, prepend=-np.inf)
    # Of events of one user at one time none is earlier than another: all count from the first.
    run = np.maximum.accumulate(np.where(first | (gap > 0), events, 0))
    earlier, since = np.empty(len(events), np.int64), np.empty(len(events))
    earlier[log.by_user] = run - log.offsets[user]
    since[log.by_user] = np.where(first, np.inf, gap)
    pool = np.searchsorted(log.first_seen, log.ts, side="left")
    pair = log.user * len(log.entity_ids) + log.entity
    _, earliest, index = np.unique(pair, return_index=True, return_inverse=True)
    had_before = log.ts[earliest][index] < log.ts
    asked = (log.ts >= start) & (log.ts < end)
    asked &= (earlier >= EARLIER_EVENTS) & (log.entity < pool) & ~had_before
    event = np.flatnonzero(asked)
    return Targets(log, event, earlier[event], pool[event], since[event] >= RESTED_S)
