"""Pages and events gathered by the day that they fall on, until a day is due. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from genpage.catalog import SECONDS_A_DAY
from genpage.event import Event
from genpage.served_page import ServedPage

# Messages may be written so long after what they tell, before a day counts as late. Seconds.
LATE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class GatheredDay:
    """A day by its number since 1970, with the events behind it as far as the window."""

    number: int
    pages: tuple[ServedPage, ...]
    events: tuple[Event, ...]
    simulated: frozenset[str]


class Days:
    """Mutable; one owner. ``window_s`` is how long after a page an event may answer it."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._pages: dict[int, dict[str, ServedPage]] = {}
        self._events: dict[int, dict[str, Event]] = {}
        self._simulated: set[str] = set()
        self._erased: dict[str, float] = {}

    def page(self, page: ServedPage) -> None:
        """Take a page; one that was told before with fewer rows gives way."""
        pages = self._pages.setdefault(_day(page.at), {})
        before = pages.get(page.page_id)
        if before is None or (page.rows_sent, len(page.rows)) >= (
            before.rows_sent,
            len(before.rows),
        ):
            pages[page.page_id] = page

    def event(self, event: Event, *, simulated: bool = False) -> None:
        """Take an event, once by its id."""
        self._events.setdefault(_day(event.ts), {}).setdefault(event.event_id, event)
        if simulated:
            self._simulated.add(event.user_id)

    def erase(self, user_id: str, at: float) -> None:
        """A member was erased at ``at``: what is from before is not given out any more."""
        self._erased[user_id] = max(at, self._erased.get(user_id, at))

    def due(self, watermark: float) -> Iterator[GatheredDay]:
        """Give out the days that nothing more is to come of: all is known by ``watermark``."""
        for number in sorted(self._pages.keys() | self._events.keys()):
            if (number + 1) * SECONDS_A_DAY + self._window_s + LATE_S <= watermark:
                yield self._give(number)

    def rest(self) -> Iterator[GatheredDay]:
        """Give out all that is left."""
        for number in sorted(self._pages.keys() | self._events.keys()):
            yield self._give(number)

    def _give(self, number: int) -> GatheredDay:
        pages = self._pages.pop(number, {})
        end = (number + 1) * SECONDS_A_DAY + self._window_s
        events = tuple(
            event
            for day in range(number, _day(end) + 1)
            for event in self._events.get(day, {}).values()
            if event.ts <= end and self._kept(event.user_id, event.ts)
        )
        self._events.pop(number, None)
        kept = tuple(page for page in pages.values() if self._kept(page.user_id, page.at))
        return GatheredDay(number, kept, events, frozenset(self._simulated))

    def _kept(self, user_id: str, ts: float) -> bool:
        return ts > self._erased.get(user_id, -1.0)


def _day(ts: float) -> int:
    return int(ts // SECONDS_A_DAY)
