"""A shadow: pages made on a bundle after the real ones, compared, and never sent. Pure."""

from collections.abc import Sequence
from typing import Final

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
        self.pages = 0
        self.failed = 0
        self.dropped = 0
        self._titles = self._places = self._rows = 0.0

    def takes(self, page_id: str) -> bool:
        """Whether a page is among its share."""
        return share_of(page_id, self.version) < self.terms.share

    def record(self, real: Sequence[PageRow], own: Sequence[PageRow]) -> None:
        """Compare two pages of one request."""
        self.pages += 1
        self._titles += _shared(
            {title for row in real for title in row.entity_ids},
            {title for row in own for title in row.entity_ids},
        )
        self._rows += _shared({row.row_id for row in real}, {row.row_id for row in own})
        self._places += _same_place(real, own)

    def document(self) -> dict[str, object]:
        """For people: means over the pages compared, 0 to 1."""
        pages = max(1, self.pages)
        return {
            "version": self.version,
            "share": self.terms.share,
            "pages": self.pages,
            "failed": self.failed,
            "dropped": self.dropped,
            "titles_shared": round(self._titles / pages, 4),
            "same_place": round(self._places / pages, 4),
            "rows_shared": round(self._rows / pages, 4),
        }


def _shared(left: set[str], right: set[str]) -> float:
    """The share of the larger one that both have."""
    most = max(len(left), len(right))
    return len(left & right) / most if most else 1.0


def _same_place(left: Sequence[PageRow], right: Sequence[PageRow]) -> float:
    most = max(sum(len(r.entity_ids) for r in left), sum(len(r.entity_ids) for r in right))
    same = sum(
        ours == theirs
        for real, own in zip(left, right, strict=False)
        for ours, theirs in zip(real.entity_ids, own.entity_ids, strict=False)
    )
    return same / most if most else 1.0
