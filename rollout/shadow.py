"""A shadow: pages made on a bundle after the real ones, compared, and never sent. Pure."""

from collections.abc import Sequence
from typing import Final

from genpage.likeness import MeanLikeness
from genpage.page import PageRow
from rollout.canary import share_of
from rollout.terms import Terms

# Pages waiting to be made; beyond it they are dropped, since the real ones go first.
WAITING: Final = 4


class Shadow:
    """The comparison's books. One owner."""

    def __init__(self, version: str, terms: Terms) -> None:
        self.version = version
        self.terms = terms
        self.failed = 0
        self.dropped = 0
        self._likeness = MeanLikeness()

    def takes(self, page_id: str) -> bool:
        """Whether a page is among its share."""
        return share_of(page_id, self.version) < self.terms.share

    def record(self, real: Sequence[PageRow], own: Sequence[PageRow]) -> None:
        """Compare two pages of one request."""
        self._likeness.add(real, own)

    @property
    def pages(self) -> int:
        """How many were compared."""
        return self._likeness.pages

    def document(self) -> dict[str, object]:
        """For people: means over the pages compared, 0 to 1."""
        return {
            "version": self.version,
            "share": self.terms.share,
            "pages": self.pages,
            "failed": self.failed,
            "dropped": self.dropped,
            **self._likeness.mean.document(),
        }
