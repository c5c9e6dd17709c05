"""Where two pages part, and how far apart the two choices are."""

import numpy as np
import pytest

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.page import Page, PageRow
from genpage.row import Row
from runtime.arrays import FloatArray, IntArray
from runtime.difference import Difference, first_difference, gap

CATALOG = Catalog.build(
    [Entity(f"e{n}", "film", f"Title {n}") for n in range(8)],
    [Row(f"r{n}", "genre", f"Row {n}") for n in range(3)],
)


def page(*rows: str) -> Page:
    """``"r0 e1 e2"`` is a row."""
    return Page(tuple(PageRow(row.split()[0], tuple(row.split()[1:])) for row in rows))


BASE = page("r0 e0 e1 e2 e3", "r1 e4 e5 e6 e7")


def parted(given: Page, *, autoregressive: int = 2) -> Difference | None:
    """Where ``given`` leaves `BASE`."""
    return first_difference(BASE, given, CATALOG, autoregressive=autoregressive)


def test_equal_pages_do_not_part() -> None:
    """Nowhere."""
    assert parted(page("r0 e0 e1 e2 e3", "r1 e4 e5 e6 e7")) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (page("r2 e0 e1 e2 e3"), Difference(0, None, 0, 0, 2)),
        (page("r0 e0 e1 e2 e3", "r2 e4"), Difference(1, None, 0, 1, 2)),
        (page("r0 e1 e0 e2 e3"), Difference(0, BASE.rows[0], 0, 3, 4)),
        (page("r0 e0 e2 e1 e3"), Difference(0, BASE.rows[0], 1, 4, 5)),
        # In the fill: by the scores after the first entity, as all from the second one on.
        (page("r0 e0 e1 e2 e7"), Difference(0, BASE.rows[0], 1, 6, 10)),
        (page("r0 e0 e1 e2 e3", "r1 e4 e5 e7 e6"), Difference(1, BASE.rows[1], 1, 9, 10)),
        (page("r0 e0 e1 e2 e3"), Difference(1, None, 0, 1, None)),
        (page("r0 e0 e1"), Difference(0, BASE.rows[0], 1, 5, None)),
        (
            page("r0 e0 e1 e2 e3", "r1 e4 e5 e6 e7", "r2 e0"),
            Difference(2, None, 0, None, 2),
        ),
    ],
)
def test_the_first_other_choice_is_found(given: Page, expected: Difference) -> None:
    """With the tokens that decided it, and both choices as positions in the scores."""
    assert parted(given) == expected


def test_one_by_one_each_choice_has_its_own_scores() -> None:
    """Without a fill, the scores after the entity before decide."""
    found = parted(page("r0 e0 e1 e2 e7"), autoregressive=20)
    assert found is not None
    assert found.entities == 3


def test_the_gap_is_read_from_the_scores_that_decided() -> None:
    """After the prompt, the finished rows, and what the fill was decided by."""
    asked: list[list[int]] = []

    def score(tokens: IntArray) -> FloatArray:
        asked.append(tokens.tolist())
        return np.linspace(0, 5, 11, dtype=np.float32)

    def encode(partial: Page) -> IntArray:
        ids = [name for row in partial.rows for name in (row.row_id, *row.entity_ids)]
        return np.array([int(name[1:]) for name in ids], np.int32)

    found = parted(page("r0 e0 e1 e2 e3", "r1 e4 e5 e6 e0"))
    assert found is not None
    prompt = np.array([90, 91], np.int32)
    assert gap(found, BASE, prompt, encode, score) == 3.5
    assert asked == [[90, 91, 0, 0, 1, 2, 3, 1, 4]]


def test_a_page_that_ends_early_is_no_tie() -> None:
    """There is no second choice to compare."""
    found = parted(page("r0 e0 e1 e2 e3"))
    assert found is not None
    nothing, scores = np.zeros(0, np.int32), np.zeros(11, np.float32)
    assert gap(found, BASE, nothing, lambda _: nothing, lambda _: scores) == float("inf")
