"""When members open the service, and on what."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY
from simulation.odds import Visits
from simulation.population import Population
from simulation.truth import Times

MOST_A_DAY = 3
_WEEKEND_USE = 1.3
# Between the end of one session and the next, at least so long, seconds.
_PAUSE_S = (120.0, 3600.0)


@dataclass(frozen=True)
class Sessions:
    """One day's sessions: ``opens_at`` (n, M) the members' first, second... session, by time.

    Infinite where a member has fewer; ``device`` (n, M).
    """

    opens_at: Times
    device: NDArray[np.int32]

    def wave(self, number: int, busy_until: Times, end: float, pause: Times) -> Visits:
        """The members' session ``number``, those that still fit into the day after the last one."""
        at = np.maximum(self.opens_at[number], busy_until + pause)
        members = np.flatnonzero(at < end)
        return Visits(members.astype(np.int32), at[members], self.device[number, members])


def day_sessions(population: Population, midnight: float, random: np.random.Generator) -> Sessions:
    """Draw one UTC day's sessions for all members."""
    members = len(population.ids)
    weekday = (int(midnight // SECONDS_A_DAY) + 3) % 7
    use = _WEEKEND_USE if weekday >= 4 else 1.0  # noqa: PLR2004 - from Friday on
    count = np.minimum(random.poisson(population.sessions_a_day * use), MOST_A_DAY)
    bounds = np.cumsum(population.hour_habits, axis=1)
    draws = random.random((MOST_A_DAY, members)) * bounds[:, -1]
    hour = (draws[..., None] >= bounds).sum(axis=2)
    local = 3600.0 * (hour + random.random((MOST_A_DAY, members)))
    utc = (local - 3600.0 * population.hours_ahead) % SECONDS_A_DAY
    opens_at = midnight + 1.0 + np.minimum(utc, SECONDS_A_DAY - 2.0)
    opens_at[np.arange(MOST_A_DAY)[:, None] >= count] = np.inf
    habits = np.cumsum(population.device_habits, axis=1)
    device = (random.random((MOST_A_DAY, members, 1)) * habits[:, -1:] >= habits).sum(axis=2)
    return Sessions(np.sort(np.round(opens_at, 3), axis=0), device.astype(np.int32))


def pauses(members: int, random: np.random.Generator) -> Times:
    """(M,) how long each member stays away after a session, seconds."""
    return np.round(random.uniform(*_PAUSE_S, size=members), 3)
