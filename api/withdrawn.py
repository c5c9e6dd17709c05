"""Rows without what was withdrawn since their page began."""

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
    propensities = tuple(row.propensities[place] for place in kept) if row.propensities else ()
    return replace(row, entities=entities, propensities=propensities)
