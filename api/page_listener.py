"""Who is told when a page's decoding ends: what goes out to the log, what judges a new bundle."""

from typing import Protocol

from api.live_page import LivePage


class PageListener(Protocol):
    """Called on the event loop, between two pages' rows: return at once, and never raise."""

    def ended(self, page: LivePage, outcome: str) -> None:
        """A page ended; ``outcome`` is its finish reason, or the code of the error that ended it.

        A page that its client left says ``cancelled`` then, and again by its real end if somebody
        comes back for it.
        """
        ...
