"""What an earlier page has for the next decision."""

import numpy as np
from pages import library, plan

from runtime.arrays import IntArray
from runtime.recall import Recall

ROWS: IntArray = np.array([100, 101, 102], np.int32)
TITLES: IntArray = np.arange(600, dtype=np.int32) + 200


def recalled(*tokens: int) -> Recall | None:
    """Of an earlier page of these tokens."""
    return Recall.of(np.array(tokens, np.int32), ROWS, TITLES)


def test_a_page_is_read_off_its_tokens() -> None:
    """By catalog indices; a title or row that left the catalog is passed over."""
    recall = recalled(101, 205, 7, 203, 100, 201, 9_999, 55)
    assert recall is not None
    assert recall.rows == (1, 0)
    assert recall.entities[1].tolist() == [5, 3]
    assert recall.entities[0].tolist() == [1]
    assert recalled(7, 201) is None
    assert recalled() is None


def test_the_next_row_is_the_first_that_may_open() -> None:
    """In the order of the page, not of the catalog."""
    recall = recalled(102, 200, 100, 201)
    assert recall is not None
    assert recall.row(np.array([0, 1, 2], np.int32)) == 2
    assert recall.row(np.array([0, 1], np.int32)) == 0
    assert recall.row(np.array([1], np.int32)) is None


def test_titles_are_the_first_that_may_stand_there() -> None:
    """Without those that the page shows already; fewer than asked are none."""
    grammar = plan(library(rows=3), rows=2, entities_per_row=4).grammar()
    recall = recalled(101, 205, 203, 209, 204, 100, 201)
    assert recall is not None
    grammar.open_row(1)
    grammar.extend([3])
    found = recall.titles(1, 3, grammar)
    assert found is not None
    assert found.tolist() == [5, 9, 4]
    assert recall.titles(1, 4, grammar) is None
    assert recall.titles(2, 1, grammar) is None
