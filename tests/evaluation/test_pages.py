"""What is told of two decoders' pages, and which of them end a command with an error."""

from collections import Counter

import pytest

from evaluation.pages import between_members, refuse_wrong_pages
from export.agreement import FP32_TIE_MARGIN, Agreement
from genpage.errors import WrongPagesError
from genpage.page import Page, PageRow

PAGE = Page((PageRow("r", ("a", "b")), PageRow("s", ("c", "d"))))
SWAPPED = Page((PageRow("r", ("b", "a")), PageRow("s", ("c", "e"))))


def agreement(*gaps: float) -> Agreement:
    """One page that is the same, and one that is not for each gap."""
    found = Agreement()
    found.add(PAGE, PAGE)
    for gap in gaps:
        found.add(PAGE, SWAPPED, gap)
    return found


def test_pages_are_counted() -> None:
    """Equal ones, ties, what is further apart, and what is shared."""
    found = agreement(FP32_TIE_MARGIN / 2, 0.5)
    assert found.document(FP32_TIE_MARGIN) == {
        "pages": 3,
        "identical": 1,
        "tie_margin": FP32_TIE_MARGIN,
        "ties": 1,
        "apart": [0.5],
        "titles_shared": round((1 + 0.75 + 0.75) / 3, 4),
        "same_place": round((1 + 0.25 + 0.25) / 3, 4),
        "rows_shared": 1.0,
        "rows_in_place": 1.0,
    }
    assert found.document(0.6)["apart"] == []


def test_members_are_compared_with_the_next() -> None:
    """Each pair once."""
    found = between_members([PAGE, PAGE, SWAPPED])
    assert (found.pages, found.identical, found.likeness.titles_shared) == (2, 1, (1 + 0.75) / 2)


def test_a_gap_that_is_no_number_is_no_tie() -> None:
    """However wide the margin."""
    assert len(agreement(float("nan")).apart(1e9)) == 1


def test_a_broken_rule_is_an_error() -> None:
    """It names the rule and how often; without a twin too."""
    with pytest.raises(WrongPagesError, match="maturity 2 times"):
        refuse_wrong_pages(Counter(maturity=2), None, tie_margin=0.0, random=True)


def test_a_page_that_differs_beyond_a_tie_is_an_error() -> None:
    """By the bundle's margin, and not for random weights."""
    with pytest.raises(WrongPagesError, match=r"1 of 3 pages .* up to 0\.5 apart"):
        refuse_wrong_pages({}, agreement(0.1, 0.5), tie_margin=0.2, random=False)
    refuse_wrong_pages({}, agreement(0.1, 0.5), tie_margin=0.5, random=False)
    refuse_wrong_pages({}, agreement(0.1, 0.5), tie_margin=0.2, random=True)
    refuse_wrong_pages({}, None, tie_margin=0.2, random=False)
