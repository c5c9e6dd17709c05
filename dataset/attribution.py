"""Which of a page's places an event is the answer to, and what a place's events come to. Pure.

An event that names its page and place is believed where that place holds its title, or else stands
for the title's first place on that page. One that names no page answers the latest page before it,
within the window, on which its member was sent the title. Only what was sent counts.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from genpage.event import Action, Event
from genpage.served_page import ServedPage

# Clients' clocks differ from the server's: an event that names its page may lie so far before it.
SKEW_S: Final = 300.0
# Of several actions on one place the most telling stands in the data, of equals the latest.
_TELLING: Mapping[Action, int] = MappingProxyType(
    {
        "thumbs_up": 3,
        "thumbs_down": 3,
        "play": 2,
        "abandon": 2,
        "add_to_list": 2,
        "remove_from_list": 1,
        "trailer": 1,
        "details": 1,
        "search": 1,
    }
)
# Row and column, from 0.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done at a place. ``duration_s`` is all that was watched there."""

    action: Action
    ts: float
    duration_s: float | None


class Attribution:
    """Over the pages of a day, each once. Built once, then asked."""

    def __init__(self, pages: Iterable[ServedPage], window_s: float) -> None:
        self._window_s = window_s
        self._pages: dict[str, ServedPage] = {}
        members: dict[str, list[ServedPage]] = {}
        for page in pages:
            self._pages[page.page_id] = page
            members.setdefault(page.user_id, []).append(page)
        self._members = {
            user: sorted(theirs, key=lambda page: page.at) for user, theirs in members.items()
        }

    def outcomes(self, events: Iterable[Event]) -> dict[tuple[str, Place], Outcome]:
        """By page and place what the events, each once, come to."""
        found: dict[tuple[str, Place], Outcome] = {}
        for event in events:
            answered = self.place_of(event)
            if answered is not None:
                found[answered] = _told(found.get(answered), event)
        return found

    def place_of(self, event: Event) -> tuple[str, Place] | None:
        """The page and place that an event answers, None where there is none."""
        if event.page_id is None:
            return self._latest(event)
        page = self._pages.get(event.page_id)
        if page is None or page.user_id != event.user_id:
            return None
        if not page.at - SKEW_S <= event.ts <= page.at + self._window_s:
            return None
        place = self._named(page, event)
        return None if place is None else (page.page_id, place)

    def _named(self, page: ServedPage, event: Event) -> Place | None:
        row, column = event.row_pos, event.col_pos
        if row is not None and column is not None and 0 <= row < page.rows_sent:
            entities = page.rows[row].entity_ids
            if 0 <= column < len(entities) and entities[column] == event.entity_id:
                return row, column
        return _first(page, event.entity_id)

    def _latest(self, event: Event) -> tuple[str, Place] | None:
        pages: Sequence[ServedPage] = self._members.get(event.user_id, ())
        last = bisect_right(pages, event.ts, key=lambda page: page.at)
        for page in reversed(pages[:last]):
            if page.at < event.ts - self._window_s:
                return None
            place = _first(page, event.entity_id)
            if place is not None:
                return page.page_id, place
        return None


def _first(page: ServedPage, entity_id: str) -> Place | None:
    """Where a title stands first among the rows that were sent.

    Looked for, since an index of every page would take several times what the pages do.
    """
    for row, held in enumerate(page.rows[: page.rows_sent]):
        if entity_id in held.entity_ids:
            return row, held.entity_ids.index(entity_id)
    return None


def _told(before: Outcome | None, event: Event) -> Outcome:
    here = Outcome(event.action, event.ts, event.duration_s)
    if before is None:
        return here
    durations = [each for each in (before.duration_s, event.duration_s) if each is not None]
    rank = (_TELLING[event.action], event.ts)
    stands = here if rank >= (_TELLING[before.action], before.ts) else before
    return replace(stands, duration_s=sum(durations) if durations else None)
