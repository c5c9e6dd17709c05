"""Pages for sampled members: does any break a rule, and do two decoders give the same page?

Every page is decoded by the engine that serves. It is held against `genpage.audit`, rule by rule;
against the page of the plain PyTorch twin, which recomputes everything and caches nothing; and
against another bundle's, int8 beside fp32.
"""

from collections import Counter
from dataclasses import dataclass, field

from genpage.audit import violations
from genpage.page import Page
from runtime.cases import Member
from runtime.offline import PageModel

# Two logits this close are a tie: either choice is right.
TIE = 1e-4


def broken_rules(model: PageModel, member: Member, page: Page) -> Counter[str]:
    """How often the page breaks each rule; empty for a page that is as it must be."""
    found = violations(
        page, model.catalog, model.rules, member.context, member.request, model.trends
    )
    return Counter(violation.rule for violation in found)


@dataclass(slots=True)
class Agreement:
    """Two decoders' pages over the same members. Mutated by `add`."""

    pages: int = 0
    identical: int = 0
    ties: int = 0
    # Logit gaps of the first choices that differ by more than a tie.
    apart: list[float] = field(default_factory=list)
    same_positions: int = 0
    positions: int = 0
    shared_entities: int = 0
    entities: int = 0

    def add(self, left: Page, right: Page, gap: float | None = None) -> None:
        """One page of each. ``gap`` is how far apart their first differing choices lie."""
        self.pages += 1
        self.identical += left == right
        if gap is not None and gap <= TIE:
            self.ties += 1
        elif gap is not None:
            self.apart.append(gap)
        ours, theirs = _places(left), _places(right)
        self.positions += max(len(ours), len(theirs))
        self.same_positions += sum(a == b for a, b in zip(ours, theirs, strict=False))
        mine, others = _titles(left), _titles(right)
        self.entities += max(len(mine), len(others))
        self.shared_entities += len(mine & others)

    def document(self) -> dict[str, object]:
        """The result as JSON."""
        return {
            "pages": self.pages,
            "identical": self.identical,
            "ties": self.ties,
            "apart": [round(gap, 6) for gap in self.apart],
            "same_positions": round(self.same_positions / max(1, self.positions), 4),
            "same_entities": round(self.shared_entities / max(1, self.entities), 4),
        }


def _places(page: Page) -> list[str]:
    """The page as it is decoded: each row, then its entities."""
    return [token for row in page.rows for token in (row.row_id, *row.entity_ids)]


def _titles(page: Page) -> set[str]:
    return {entity_id for row in page.rows for entity_id in row.entity_ids}
