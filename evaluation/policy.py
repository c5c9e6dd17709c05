"""The policy that is judged: what it would show, what that is truly worth, how likely a page is."""

from dataclasses import dataclass

from genpage.exploration import NO_EXPLORATION, Exploration


@dataclass(frozen=True, slots=True)
class Policy:
    """How pages are made of scores: greedily but for what is declared as exploration.

    A share of 1 samples all of it at the exploration's temperature. ``autoregressive`` titles of a
    row are chosen one by one, and the scores of the last of them fill the row (METHOD, "Hybrid row
    decoding").
    """

    exploration: Exploration = NO_EXPLORATION
    autoregressive: int = 4

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.exploration.name

    def document(self) -> dict[str, object]:
        """As JSON."""
        drawn = self.exploration
        return {
            "share": drawn.share,
            "temperature": drawn.temperature,
            "autoregressive": self.autoregressive,
        }
