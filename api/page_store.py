"""The pages that this server knows by id: kept for minutes, bounded in number and bytes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cachetools import TLRUCache

from api.live_page import LivePage
from genpage.errors import NotFoundError

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long and how much. A page at which nobody listens may be taken up for ``paused_s``."""

    pages_s: float = 600.0
    paused_s: float = 60.0
    pages: int = 10_000
    bytes: int = 256 * 1024 * 1024


class PageStore:
    """Pages being made, and pages over or paused. Owned by the event loop.

    Pages being made are bounded by admission and never dropped; of the others the least recently
    used go first.
    """

    def __init__(self, keeping: Keeping, *, clock: Clock = time.monotonic) -> None:
        self._keeping = keeping
        self._clock = clock
        self._running: dict[str, LivePage] = {}
        self._paused: dict[str, float] = {}
        self._kept: TLRUCache[str, LivePage] = TLRUCache(
            keeping.bytes, lambda _id, _page, now: now + keeping.pages_s, clock, _size
        )

    def __len__(self) -> int:
        """How many pages are known."""
        return len(self._running) + len(self._kept)

    @property
    def nbytes(self) -> int:
        """About how much memory the pages that are not being made hold."""
        return int(self._kept.currsize)

    def running(self) -> list[LivePage]:
        """The pages being made."""
        return list(self._running.values())

    def of_member(self, user_id: str) -> list[LivePage]:
        """All of a member's pages."""
        pages: Iterator[LivePage] = iter((*self._running.values(), *self._kept.values()))
        return [page for page in pages if page.user_id == user_id]

    def get(self, page_id: str) -> LivePage:
        """The page; `NotFoundError` where there is none, or no more."""
        self.settle()
        page = self._running.get(page_id) or self._kept.get(page_id)
        if page is None:
            raise NotFoundError(
                f"There is no page {page_id[:64]!r} here; pages are kept for "
                f"{self._keeping.pages_s / 60:.0f} minutes, by the server that made them."
            )
        return page

    def start(self, page: LivePage) -> None:
        """The page is being made from now on."""
        self._kept.pop(page.page_id, None)
        self._paused.pop(page.page_id, None)
        self._running[page.page_id] = page

    def stop(self, page: LivePage) -> None:
        """The page is over or paused: from now on its time runs."""
        self._running.pop(page.page_id, None)
        self.settle()
        while self._kept and len(self._kept) >= self._keeping.pages:
            self._kept.popitem()
        if page.state == "paused":
            self._paused[page.page_id] = self._clock() + self._keeping.paused_s
        if page.nbytes <= self._keeping.bytes:
            self._kept[page.page_id] = page

    def drop(self, page: LivePage) -> None:
        """Forget a page."""
        self._running.pop(page.page_id, None)
        self._paused.pop(page.page_id, None)
        self._kept.pop(page.page_id, None)

    def settle(self) -> None:
        """Paused pages that nobody came back to in time are over, as far as they got."""
        now = self._clock()
        while self._paused:
            page_id, until = next(iter(self._paused.items()))
            if until > now:
                return
            del self._paused[page_id]
            page = self._kept.get(page_id)
            if page is not None and page.state == "paused":
                page.finish("cancelled")


def _size(page: LivePage) -> int:
    return page.nbytes
