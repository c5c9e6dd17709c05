"""How far two decoders' pages agree, over the same members."""

from dataclasses import dataclass, field

from genpage.likeness import Likeness, MeanLikeness
from genpage.page import Page

# Two logits of one model in float32 this close are a tie: either choice is right.
FP32_TIE_MARGIN = 1e-4


@dataclass(slots=True)
class Agreement:
    """Counts over pages, one of each decoder. Mutated by `add`.

    ``gaps`` are how far apart the first choices that differ lie, where that is known.
    """

    identical: int = 0
    gaps: list[float] = field(default_factory=list)
    _likeness: MeanLikeness = field(default_factory=MeanLikeness)

    def add(self, left: Page, right: Page, gap: float | None = None) -> None:
        """One page of each. ``gap`` is how far apart their first differing choices lie."""
        self.identical += left == right
        if gap is not None:
            self.gaps.append(gap)
        self._likeness.add(left.rows, right.rows)

    def apart(self, tie_margin: float) -> list[float]:
        """The gaps that no tie explains; one that is no number is none."""
        return [gap for gap in self.gaps if not gap <= tie_margin]

    def ties(self, tie_margin: float) -> int:
        """How many pages part at a tie."""
        return len(self.gaps) - len(self.apart(tie_margin))

    @property
    def pages(self) -> int:
        """How many of each decoder."""
        return self._likeness.pages

    @property
    def likeness(self) -> Likeness:
        """The mean over the pages."""
        return self._likeness.mean

    def document(self, tie_margin: float | None = None) -> dict[str, object]:
        """The result as JSON; ties are told where gaps were measured, against ``tie_margin``."""
        parted: dict[str, object] = {}
        if tie_margin is not None:
            parted = {
                "tie_margin": tie_margin,
                "ties": self.ties(tie_margin),
                "apart": [round(gap, 6) for gap in self.apart(tie_margin)],
            }
        return {
            "pages": self.pages,
            "identical": self.identical,
            **parted,
            **self.likeness.document(),
        }
