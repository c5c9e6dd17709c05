"""Announcements that wait: for their turn, or to be tried again by themselves."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from rollout.attempt import Attempt
from rollout.refusal import Kind

# Until a source or memory that failed is asked again.
RETRY_S: Final = (5.0, 30.0, 120.0, 300.0)
# How often what may pass by itself is tried again.
MOST_TRIES: Final[Mapping[Kind, float]] = {"away": math.inf, "no-room": math.inf, "failed": 1}


def again_s(kind: Kind, tries: int) -> float | None:
    """Until what was refused so, and tried again ``tries`` times, is tried anew; None for never."""
    if tries >= MOST_TRIES.get(kind, 0):
        return None
    return RETRY_S[min(tries, len(RETRY_S) - 1)]


@dataclass(frozen=True, slots=True)
class _Places:
    """Who is where. Replaced as a whole, since another thread reads it."""

    waiting: Attempt | None = None
    current: Attempt | None = None
    coming: Attempt | None = None


class Queue:
    """One waits at most, one is in hand, one comes again: the newest wins. One event loop's."""

    def __init__(self) -> None:
        self._places = _Places()
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, attempt: Attempt) -> None:
        """It is the next; `give_up` whatever was there before."""
        self._places = replace(self._places, waiting=attempt, coming=None)
        self._news.set()

    async def take(self) -> Attempt:
        """The next, once there is one; it is in hand until `done`."""
        while (attempt := self._places.waiting) is None:
            self._news.clear()
            await self._news.wait()
        self._places = replace(self._places, waiting=None, current=attempt)
        return attempt

    def done(self) -> None:
        """Nothing is in hand any more."""
        self._places = replace(self._places, current=None)

    def retry(self, attempt: Attempt) -> None:
        """Have one that was refused come again by itself, where the reason may pass."""
        wait_s = None if attempt.kind is None else again_s(attempt.kind, attempt.tries)
        if wait_s is None or not attempt.wanted:
            return
        attempt.tries += 1
        attempt.coming_again = True
        self._places = replace(self._places, coming=attempt)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._again, attempt)

    def give_up(self) -> Attempt | None:
        """Nobody wants what waits, comes again or is in hand any more; the one that waited."""
        self._stop_timer()
        there = self._places
        for attempt in (there.waiting, there.current, there.coming):
            if attempt is not None:
                attempt.give_up()
        self._places = replace(there, waiting=None, coming=None)
        return there.waiting

    def close(self) -> None:
        """Stop what is on its way; after a restart it is wanted again."""
        self._stop_timer()
        for attempt in (self._places.waiting, self._places.current):
            if attempt is not None:
                attempt.wanted = False

    def digests(self) -> set[str]:
        """Of what is being fetched, or will be. May be called on another thread."""
        there = self._places
        attempts = (there.waiting, there.current, there.coming)
        return {each.digest for each in attempts if each is not None and each.digest}

    def _again(self, attempt: Attempt) -> None:
        attempt.begin_again()
        self.put(attempt)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
