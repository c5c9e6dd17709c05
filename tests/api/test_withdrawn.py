"""A row without what was withdrawn says how likely it was all the same."""

import pytest

from api.withdrawn import without_withdrawn
from genpage.catalog import Catalog
from genpage.catalog_changes import CatalogChanges
from genpage.entity import Entity
from genpage.row import Row
from runtime.output import RowDecoded

CATALOG = Catalog.build(
    [Entity(f"e{n}", "film", f"T{n}") for n in range(4)],
    [Row("r", "mix", "R", entity_ids=tuple(f"e{n}" for n in range(4)))],
)


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ((), (0.5, 0.25, 0.8, 0.1)),
        ((0,), (0.125, 0.8, 0.1)),
        ((1, 2), (0.5, 0.02)),
        ((3,), (0.5, 0.25, 0.08)),
        ((0, 3), (0.125, 0.08)),
    ],
)
def test_the_chance_of_what_is_left_out_is_not_lost(
    gone: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    """The first that is kept has the row's own, and the product is the row's."""
    row = RowDecoded("p", 0, (0, 1, 2, 3), 1.0, (0.5, 0.25, 0.8, 0.1))
    changes = CatalogChanges(withdrawn_entities=frozenset(f"e{n}" for n in gone))
    left = without_withdrawn(row, CATALOG, changes)
    assert left is not None
    assert left.entities == tuple(n for n in range(4) if n not in gone)
    assert left.propensities == pytest.approx(expected)


def test_certain_rows_stay_certain() -> None:
    """No chances are told of what was not drawn."""
    changes = CatalogChanges(withdrawn_entities=frozenset({"e1"}))
    left = without_withdrawn(RowDecoded("p", 0, (0, 1, 2), 1.0), CATALOG, changes)
    assert left is not None
    assert left.propensities == ()
