"""Which logged pages another policy can be told by: those that might have been other ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from evaluation.logged_pages import LoggedPage

Status = Literal["explored", "partly explored", "not explored"]


@dataclass(frozen=True, slots=True)
class Support:
    """Logged pages by what they can tell of other policies.

    ``pages`` are used; ``unexplored`` were decided throughout, so that what another policy would
    have shown instead never was; ``dropped`` have propensities that nothing shown can have had.
    """

    pages: int
    unexplored: int
    dropped: int

    @classmethod
    def of(cls, pages: Sequence[LoggedPage]) -> Self:
        """Count them."""
        possible = [page for page in pages if page.possible]
        used = sum(page.could_differ for page in possible)
        return cls(used, len(possible) - used, len(pages) - len(possible))

    @property
    def status(self) -> Status:
        """Whether estimates off policy can be made at all, and of all pages."""
        if not self.pages:
            return "not explored"
        return "partly explored" if self.unexplored else "explored"

    @property
    def told(self) -> str:
        """In words, with what to do where there is no estimate."""
        if self.pages:
            others = f"; {self.unexplored} that were decided throughout are left out"
            return f"{self.pages} pages were explored{others if self.unexplored else ''}"
        return (
            f"no estimate off policy: of {self.unexplored + self.dropped} logged pages "
            f"{self.unexplored} were decided throughout and could not have been others, "
            f"{self.dropped} have no usable propensities. Serve with "
            "`genpage serve --explore 0.02` for some days, and collect anew"
        )

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "status": self.status,
            "pages": self.pages,
            "unexplored": self.unexplored,
            "dropped": self.dropped,
            "told": self.told,
        }
