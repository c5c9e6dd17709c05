"""Pages and events gathered by the day that they fall on, until a day is due. Pure.

A day that was given out is kept for a while, and given again when something late comes to it: what
is told anew takes the place of what was told before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import floor
from typing import Final

from genpage.catalog import SECONDS_A_DAY
from genpage.event import Event
from genpage.served_page import ServedPage

# Messages may be written so long after what they tell, before a day counts as late. Seconds.
LATE_S: Final = 60.0
# What is later still is joined for as long, counted from the last of the day. Seconds.
GRACE_S: Final = 3_600.0
# The years that a day file can be named after: 1970 to 9999.
LAST_DAY: Final = 2_932_896


@dataclass(frozen=True, slots=True)
class GatheredDay:
    """A day by its number since 1970, with what lies behind it as far as the window.

    ``following`` are the next days' pages: an event there may be the answer to one of them instead.
    """

    number: int
    pages: tuple[ServedPage, ...]
    events: tuple[Event, ...]
    simulated: frozenset[str]
    following: tuple[ServedPage, ...] = ()


@dataclass(slots=True)
class _Held:
    pages: dict[str, ServedPage] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    # When the first and the last of it was written, Unix seconds.
    first: float = float("inf")
    last: float = float("-inf")
    # Whether there is something that was not given out.
    news: bool = True


class Days:
    """Mutable; one owner. ``window_s`` is how long after a page an event may answer it."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._days: dict[int, _Held] = {}
        self._simulated: set[str] = set()
        self._erased: dict[str, float] = {}

    @property
    def erased(self) -> Mapping[str, float]:
        """Until when (Unix seconds) members were erased."""
        return self._erased

    def page(self, page: ServedPage, written: float | None = None) -> bool:
        """Take a page, ``written`` then (Unix seconds); one told before with fewer rows gives way.

        False for one that falls on no day of the calendar.
        """
        held = self._held(page.at, written)
        if held is None:
            return False
        before = held.pages.get(page.page_id)
        if before is None or (page.rows_sent, len(page.rows)) >= (
            before.rows_sent,
            len(before.rows),
        ):
            held.pages[page.page_id] = page
        return True

    def event(self, event: Event, *, simulated: bool = False, written: float | None = None) -> bool:
        """Take an event, once by its id; False for one that falls on no day of the calendar."""
        held = self._held(event.ts, written)
        if held is None:
            return False
        held.events.setdefault(event.event_id, event)
        if simulated:
            self._simulated.add(event.user_id)
        return True

    def erase(self, user_id: str, at: float) -> None:
        """A member was erased at ``at``: what is from before is not given out any more."""
        self._erased[user_id] = max(at, self._erased.get(user_id, at))

    def due(self, watermark: float) -> Iterator[GatheredDay]:
        """Give out the days that nothing more is to come of: all is known by ``watermark``.

        So are days that are far ahead: whoever asked for pages then has another clock, and what
        members do now is no answer to them.
        """
        for number in sorted(self._days):
            end = (number + 1) * SECONDS_A_DAY
            held, ahead = self._days[number], end - 2 * SECONDS_A_DAY > watermark
            if held.news and (ahead or end + self._window_s + LATE_S <= watermark):
                held.news = False
                yield self._given(number)
        for number, held in list(self._days.items()):
            end = (number + 1) * SECONDS_A_DAY
            last = held.last if end - 2 * SECONDS_A_DAY > watermark else max(held.last, end)
            if not held.news and last + self._window_s + GRACE_S <= watermark:
                del self._days[number]

    def rest(self) -> Iterator[GatheredDay]:
        """Give out all that was not, as it is."""
        for number in sorted(self._days):
            if self._days[number].news:
                self._days[number].news = False
                yield self._given(number)

    def since(self, watermark: float) -> float:
        """From when on messages must be read again by whoever holds what was given out, no more.

        Unix seconds, ``watermark`` at the latest.
        """
        return min((held.first for held in self._days.values() if held.news), default=watermark)

    def _held(self, ts: float, written: float | None) -> _Held | None:
        number = _day(ts)
        if not 0 <= number <= LAST_DAY:
            return None
        held = self._days.setdefault(number, _Held())
        written = ts if written is None else written
        held.first, held.last = min(held.first, written), max(held.last, written)
        first = _day(ts - self._window_s)
        near = range(first, number + 1)
        for day in near if len(near) < len(self._days) else tuple(self._days):
            if first <= day <= number and day in self._days:
                self._days[day].news = True
        return held

    def _given(self, number: int) -> GatheredDay:
        end = (number + 1) * SECONDS_A_DAY + self._window_s
        within = [self._days[day] for day in sorted(self._days) if number <= day <= _day(end)]
        events = tuple(
            event
            for held in within
            for event in held.events.values()
            if event.ts <= end and self._kept(event.user_id, event.ts)
        )
        pages = [
            page
            for held in within
            for page in held.pages.values()
            if page.at <= end and self._kept(page.user_id, page.at)
        ]
        return GatheredDay(
            number,
            tuple(page for page in pages if _day(page.at) == number),
            events,
            frozenset(self._simulated),
            tuple(page for page in pages if _day(page.at) != number),
        )

    def _kept(self, user_id: str, ts: float) -> bool:
        return ts > self._erased.get(user_id, -1.0)


def _day(ts: float) -> int:
    return floor(ts / SECONDS_A_DAY)
