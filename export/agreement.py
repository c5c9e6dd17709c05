"""How far two decoders' pages agree, over the same members."""

from dataclasses import dataclass, field

from genpage.page import Page

# Two logits of one model in float32 this close are a tie: either choice is right.
FP32_TIE_MARGIN = 1e-4


@dataclass(slots=True)
class Agreement:
    """Counts over pages, one of each decoder. Mutated by `add`.

    ``gaps`` are how far apart the first choices that differ lie, where that is known.
    """

    pages: int = 0
    identical: int = 0
    gaps: list[float] = field(default_factory=list)
    _shared: float = 0.0
    _same_positions: int = 0
    _positions: int = 0

    def add(self, left: Page, right: Page, gap: float | None = None) -> None:
        """One page of each. ``gap`` is how far apart their first differing choices lie."""
        self.pages += 1
        self.identical += left == right
        if gap is not None:
            self.gaps.append(gap)
        ours, theirs = _places(left), _places(right)
        self._positions += max(len(ours), len(theirs))
        self._same_positions += sum(a == b for a, b in zip(ours, theirs, strict=False))
        mine, others = _titles(left), _titles(right)
        most = max(len(mine), len(others))
        self._shared += len(mine & others) / most if most else 1.0

    def apart(self, tie_margin: float) -> list[float]:
        """The gaps that no tie explains; one that is no number is none."""
        return [gap for gap in self.gaps if not gap <= tie_margin]

    def ties(self, tie_margin: float) -> int:
        """How many pages part at a tie."""
        return len(self.gaps) - len(self.apart(tie_margin))

    @property
    def titles_shared(self) -> float:
        """The mean share of a page's titles that the other page shows too."""
        return self._shared / max(1, self.pages)

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
            "same_positions": round(self._same_positions / max(1, self._positions), 4),
            "same_entities": round(self.titles_shared, 4),
        }


def _places(page: Page) -> list[str]:
    """The page as it is decoded: each row, then its entities."""
    return [token for row in page.rows for token in (row.row_id, *row.entity_ids)]


def _titles(page: Page) -> set[str]:
    return {entity_id for row in page.rows for entity_id in row.entity_ids}
