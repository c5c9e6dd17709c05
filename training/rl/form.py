"""Rule-based rewards of a page's form: beside what its titles are worth.

The grammar holds every product rule already; what is left are wishes that no rule states. METHOD:
the page is a list of rows, business-critical rows are not too low.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from genpage.catalog import Catalog
from genpage.grammar import DecodedRow
from training.bounds import COUNT, WEIGHT, check


@dataclass(frozen=True, slots=True)
class Form:
    """What is wished for, and what it costs not to have it (in rewards, a row).

    ``not_below`` maps a kind of row to the last position where it should stand, if it stands.
    """

    rows: int
    missing_row: float = 0.2
    too_low: float = 0.05
    not_below: Mapping[str, int] = field(
        default_factory=lambda: {"continue": 0, "my_list": 4, "because": 4, "trending": 5}
    )

    def __post_init__(self) -> None:
        """Check every number; a wrong one is a `UsageError` naming it."""
        check(self, rows=COUNT, missing_row=WEIGHT, too_low=WEIGHT)

    def reward(self, page: tuple[DecodedRow, ...], catalog: Catalog) -> float:
        """At most 0: the price of rows that are missing and of rows that stand too low."""
        low = sum(
            place > self.not_below[catalog.rows[row.row].kind]
            for place, row in enumerate(page)
            if catalog.rows[row.row].kind in self.not_below
        )
        return -self.missing_row * (self.rows - len(page)) - self.too_low * low
