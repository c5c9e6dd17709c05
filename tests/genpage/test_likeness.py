"""How alike two pages are, in four ways."""

import pytest

from genpage.likeness import Likeness, MeanLikeness
from genpage.page import PageRow

PAGE = (PageRow("r", ("a", "b")), PageRow("s", ("c", "d")))
# The same rows in another order, one title another.
TURNED = (PageRow("s", ("c", "d")), PageRow("r", ("a", "x")))
SHORTER = (PageRow("r", ("a", "b")),)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (PAGE, Likeness(1.0, 1.0, 1.0, 1.0)),
        (TURNED, Likeness(0.75, 0.0, 1.0, 0.0)),
        (SHORTER, Likeness(0.5, 0.5, 0.5, 0.5)),
        ((), Likeness(0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_a_page_is_compared_with_another(other: tuple[PageRow, ...], expected: Likeness) -> None:
    """Titles and rows, wherever and in place, of the larger page; from either side the same."""
    assert Likeness.of(PAGE, other) == Likeness.of(other, PAGE) == expected


def test_two_empty_pages_are_alike() -> None:
    """Nothing differs."""
    assert Likeness.of((), ()) == Likeness(1.0, 1.0, 1.0, 1.0)


def test_pages_count_alike_whatever_their_size() -> None:
    """The mean is over pairs; of none it is 0."""
    found = MeanLikeness()
    assert found.mean == Likeness(0.0, 0.0, 0.0, 0.0)
    found.add(PAGE, PAGE)
    found.add(PAGE, TURNED)
    assert found.pages == 2
    assert found.mean == Likeness(0.875, 0.5, 1.0, 0.5)
    assert found.mean.document()["rows_in_place"] == 0.5
