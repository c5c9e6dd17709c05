"""Rows without what was withdrawn since their page began."""

import math
from collections.abc import Sequence
from dataclasses import replace

from genpage.catalog import Catalog
from genpage.catalog_changes import CatalogChanges
from runtime.output import RowDecoded


def without_withdrawn(
    row: RowDecoded, catalog: Catalog, changes: CatalogChanges
) -> RowDecoded | None:
    """A row of a page made from ``catalog``, as it may still be sent; None where nothing is left.

    ``changes`` are those of this moment.
    """
    gone = changes.withdrawn_entities
    if catalog.rows[row.row].id in changes.withdrawn_rows:
        return None
    if not gone:
        return row
    kept = [n for n, e in enumerate(row.entities) if catalog.entities[e].id not in gone]
    if len(kept) == len(row.entities):
        return row
    if not kept:
        return None
    entities = tuple(row.entities[place] for place in kept)
    propensities = _folded(row.propensities, kept) if row.propensities else ()
    return replace(row, entities=entities, propensities=propensities)


def _folded(chances: Sequence[float], kept: Sequence[int]) -> tuple[float, ...]:
    """What was left out was chosen all the same: its chance goes to the next place that is kept.

    Behind the last one to that. So the first keeps the row's own, and the product is the row's.
    """
    ends = [*kept[:-1], len(chances) - 1]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return tuple(
        math.prod(chances[start : end + 1]) for start, end in zip(starts, ends, strict=True)
    )
