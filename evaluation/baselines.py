"""What anybody can count: the baselines of next-item evaluation, live up to each event.

A baseline is asked in ascending order of time and knows the events strictly before.
"""

from typing import Protocol

import numpy as np

from evaluation.log import EventLog, Times
from genpage.catalog import SECONDS_A_DAY
from genpage.trends import HALF_LIFE_S

WINDOW_S = 7 * SECONDS_A_DAY
# Counts grow with time instead of decaying; the reference moves before they overflow a float64.
_MOST_HALF_LIVES = 500.0


class Baseline(Protocol):
    """Scores all entities of a log at a time. Mutates: ``at`` must not go back."""

    def scores(self, at: float) -> Times:
        """(E,) float64, knowing the events with ``ts < at``; valid until the next call."""


class _Cursor:
    """Walks through a log: which events lie between the last time and this one."""

    def __init__(self, log: EventLog, *, delay: float = 0.0) -> None:
        self._ts, self._delay, self._position = log.ts, delay, 0

    def advance(self, at: float) -> slice:
        """The events that ``ts + delay < at`` has newly become true for."""
        start = self._position
        self._position = int(np.searchsorted(self._ts, at - self._delay, side="left"))
        return slice(start, self._position)


class Popularity:
    """Events of all time."""

    def __init__(self, log: EventLog) -> None:
        self._log, self._cursor = log, _Cursor(log)
        self._counts = np.zeros(len(log.entity_ids))

    def scores(self, at: float) -> Times:
        """(E,) counts."""
        np.add.at(self._counts, self._log.entity[self._cursor.advance(at)], 1.0)
        return self._counts


class TrendingWindow:
    """Events of the ``window_s`` before: those with ``at - window_s <= ts < at``."""

    def __init__(self, log: EventLog, window_s: float = WINDOW_S) -> None:
        self._log = log
        self._entering, self._leaving = _Cursor(log), _Cursor(log, delay=window_s)
        self._counts = np.zeros(len(log.entity_ids))

    def scores(self, at: float) -> Times:
        """(E,) counts."""
        np.add.at(self._counts, self._log.entity[self._entering.advance(at)], 1.0)
        np.subtract.at(self._counts, self._log.entity[self._leaving.advance(at)], 1.0)
        return self._counts


class TrendingDecay:
    """Events of all time, each worth half as much every ``half_life_s``.

    Known up to a common factor, which no rank depends on.
    """

    def __init__(self, log: EventLog, half_life_s: float = HALF_LIFE_S) -> None:
        self._log, self._cursor, self._half_life_s = log, _Cursor(log), half_life_s
        self._counts = np.zeros(len(log.entity_ids))
        self._reference = float(log.ts[0]) if len(log.ts) else 0.0

    def scores(self, at: float) -> Times:
        """(E,) decayed counts."""
        fresh = self._cursor.advance(at)
        if (at - self._reference) / self._half_life_s > _MOST_HALF_LIVES:
            self._counts *= 0.5 ** ((at - self._reference) / self._half_life_s)
            self._reference = at
        worth = 2.0 ** ((self._log.ts[fresh] - self._reference) / self._half_life_s)
        np.add.at(self._counts, self._log.entity[fresh], worth)
        return self._counts


def baselines(log: EventLog) -> dict[str, Baseline]:
    """The baselines by the names that reports call them."""
    return {
        "popularity": Popularity(log),
        "trending_7d": TrendingWindow(log),
        "trending_decay": TrendingDecay(log),
    }
