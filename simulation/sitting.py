"""Sittings of a real log: a member's events without a long pause."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from genpage.catalog import SECONDS_A_DAY
from genpage.context import HISTORY_LIMIT
from genpage.event import Event

SITTING_S = SECONDS_A_DAY / 2


@dataclass(frozen=True, slots=True)
class Sitting:
    """A member's events without a long pause, and how many of theirs came before."""

    events: tuple[Event, ...]
    earlier: tuple[Event, ...]


def sittings(events: Sequence[Event]) -> list[Sitting]:
    """All sittings, by time of their first event."""
    found: list[Sitting] = []
    by_member = sorted(events, key=lambda event: (event.user_id, event.ts))
    for _, group in groupby(by_member, key=lambda event: event.user_id):
        own = tuple(group)
        start = 0
        for place in range(1, len(own) + 1):
            if place == len(own) or own[place].ts - own[place - 1].ts >= SITTING_S:
                earlier = own[max(0, start - HISTORY_LIMIT) : start]
                found.append(Sitting(own[start:place], earlier))
                start = place
    return sorted(found, key=lambda sitting: sitting.events[0].ts)
