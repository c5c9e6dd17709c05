"""What an earlier page has for the next decision."""

from dataclasses import replace

import numpy as np
from pages import library, plan

from genpage.grammar import DecodedRow
from runtime.fake import FakeModel
from runtime.recall import Recall
from runtime.shown import Shown

CATALOG = library(entities=20, rows=4)


def recalled(*rows: tuple[int, tuple[int, ...]]) -> Recall:
    """Of an earlier page of these rows."""
    recall = Recall.of([DecodedRow(row, entities) for row, entities in rows])
    assert recall is not None
    return recall


def test_a_page_outlives_its_snapshot_by_its_tokens() -> None:
    """By the same indices in the same one; elsewhere what left the catalog is passed over."""
    model = FakeModel.of(CATALOG)
    rows = (DecodedRow(1, (5, 3)), DecodedRow(0, (1, 2)))
    shown = Shown.of(rows, model)
    assert shown.rows_in(model) == rows
    turned = replace(
        model, row_tokens=model.row_tokens[::-1], entity_tokens=model.entity_tokens[::-1][:-2]
    )
    assert shown.rows_in(turned) == (DecodedRow(2, (14, 16)), DecodedRow(3, (17,)))
    fewer = replace(model, row_tokens=model.row_tokens[:1], entity_tokens=model.entity_tokens[2:])
    assert shown.rows_in(fewer) == (DecodedRow(0, (0,)),)
    fewer = replace(fewer, row_tokens=model.row_tokens + 500)
    assert Recall.of(shown.rows_in(fewer)) is None


def test_a_page_keeps_no_snapshot_alive() -> None:
    """Slots outlive catalogs."""
    model = FakeModel.of(CATALOG)
    shown = Shown.of([DecodedRow(0, (1,))], model)
    tokens, rows = model.entity_tokens.copy(), model.row_tokens.copy()
    del model
    assert shown._snapshot() is None
    other = replace(FakeModel.of(CATALOG), entity_tokens=tokens, row_tokens=rows)
    assert shown.rows_in(other) == (DecodedRow(0, (1,)),)


def test_the_next_row_is_the_first_that_may_open() -> None:
    """In the order of the page, not of the catalog."""
    recall = recalled((2, (0,)), (0, (1,)))
    assert recall.row(np.array([0, 1, 2], np.int32)) == 2
    assert recall.row(np.array([0, 1], np.int32)) == 0
    assert recall.row(np.array([1], np.int32)) is None


def test_titles_are_the_first_that_may_stand_there() -> None:
    """Without those that the page shows already; fewer than asked are none."""
    grammar = plan(library(rows=3), rows=2, entities_per_row=4).grammar()
    recall = recalled((1, (5, 3, 9, 4)), (0, (1,)))
    grammar.open_row(1)
    grammar.extend([3])
    found = recall.titles(1, 3, grammar)
    assert found is not None
    assert found.tolist() == [5, 9, 4]
    assert recall.titles(1, 4, grammar) is None
    assert recall.titles(2, 1, grammar) is None
