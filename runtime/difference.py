"""Where two pages part, and whether a tie explains it.

Two correct runs of one model may choose differently where two logits are as close as the runs'
rounding. After that choice the pages have different contexts and cannot be compared further, so
the first one decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genpage.catalog import Catalog
from genpage.page import Page, PageRow
from runtime.arrays import FloatArray, IntArray
from tokenizer.page import entities_before_fill

# Scores (R + E,) after the last of some tokens (n,).
Scorer = Callable[[IntArray], FloatArray]
# What is added to them (R + E,) behind some finished rows.
Added = Callable[[Sequence[PageRow]], FloatArray]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first choice in which two pages differ.

    It was made by the scores after the first ``rows`` rows and, where ``opened`` names a row, that
    row and the first ``entities`` of its entities. ``expected`` and ``given`` are the two choices,
    as positions in the scores; None where one page ends and the other goes on.
    """

    rows: int
    opened: PageRow | None
    entities: int
    expected: int | None
    given: int | None


def first_difference(
    expected: Page,
    given: Page,
    catalog: Catalog,
    *,
    autoregressive: int,
    serialised: int | None = None,
) -> Difference | None:
    """Where ``given`` parts from ``expected``; None where they are the same."""
    for number, row in enumerate(expected.rows):
        other = given.rows[number] if number < len(given.rows) else None
        if row == other:
            continue
        if other is None or row.row_id != other.row_id:
            return Difference(
                number,
                None,
                0,
                catalog.row_index(row.row_id),
                None if other is None else catalog.row_index(other.row_id),
            )
        before_fill = entities_before_fill(autoregressive, serialised)
        return _within(number, row, other, catalog, before_fill)
    if len(given.rows) == len(expected.rows):
        return None
    extra = given.rows[len(expected.rows)]
    return Difference(len(expected.rows), None, 0, None, catalog.row_index(extra.row_id))


def _within(
    number: int, row: PageRow, other: PageRow, catalog: Catalog, before_fill: int
) -> Difference:
    pairs = zip(row.entity_ids, other.entity_ids, strict=False)
    common = min(len(row.entity_ids), len(other.entity_ids))
    place = next((n for n, (left, right) in enumerate(pairs) if left != right), common)
    return Difference(
        number,
        row,
        # The whole fill comes from one set of scores.
        min(place, before_fill),
        _entity(catalog, row, place),
        _entity(catalog, other, place),
    )


def _entity(catalog: Catalog, row: PageRow, place: int) -> int | None:
    if place >= len(row.entity_ids):
        return None
    index = catalog.entity_index(row.entity_ids[place])
    return None if index is None else len(catalog.rows) + index


def gap(
    difference: Difference,
    expected: Page,
    prompt: IntArray,
    encode: Callable[[Page], IntArray],
    score: Scorer,
    added: Added | None = None,
) -> float:
    """How far apart ``score`` holds the two choices; infinite where one page has none.

    ``encode`` turns the page so far into tokens.
    """
    if difference.expected is None or difference.given is None:
        return float("inf")
    rows = expected.rows[: difference.rows]
    if difference.opened is not None:
        opened = difference.opened
        rows = (*rows, PageRow(opened.row_id, opened.entity_ids[: difference.entities]))
    scores = score(np.concatenate([prompt, encode(Page(rows))]).astype(np.int32))
    if added is not None:
        scores = scores + added(expected.rows[: difference.rows])
    return float(abs(scores[difference.expected] - scores[difference.given]))
