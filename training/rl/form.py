"""Rule-based rewards of a page's form: beside what its titles are worth.

The grammar holds every product rule already; what is left are wishes that no rule states. METHOD:
the page is a list of rows, business-critical rows are not too low.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from genpage.catalog import Catalog
from genpage.errors import UsageError
from genpage.grammar import DecodedRow
from training.bounds import COUNT, SHARE, WEIGHT, check


@dataclass(frozen=True, slots=True)
class Form:
    """What is wished for, and what it costs not to have it (in rewards, a row).

    ``not_below`` maps a kind of row to how far down it may stand, if it stands, as a share of the
    page's rows: .4 is place 4 of a page of ten rows, counted from 0, and place 1 of one of four.
    """

    rows: int
    missing_row: float = 0.2
    too_low: float = 0.05
    not_below: Mapping[str, float] = field(
        default_factory=lambda: {"continue": 0.0, "my_list": 0.4, "because": 0.4, "trending": 0.5}
    )

    def __post_init__(self) -> None:
        """Check every number; a wrong one is a `UsageError` naming it."""
        check(self, rows=COUNT, missing_row=WEIGHT, too_low=WEIGHT)
        for kind, share in self.not_below.items():
            if not SHARE.holds(share):
                raise UsageError(f"not_below of {kind} must be {SHARE}, not {share!r}")

    def reward(self, page: tuple[DecodedRow, ...], catalog: Catalog) -> float:
        """At most 0: the price of rows that are missing and of rows that stand too low."""
        low = sum(
            place > self.not_below[catalog.rows[row.row].kind] * self.rows
            for place, row in enumerate(page)
            if catalog.rows[row.row].kind in self.not_below
        )
        return -self.missing_row * (self.rows - len(page)) - self.too_low * low
