"""What a page's form is worth: rows that are missing, rows that stand too low."""

import pytest

from genpage.grammar import DecodedRow
from model.checkpoint import Checkpoint
from training.rl.form import Form
from training.rl.settings import Settings


def test_form_rewards_count_what_is_missing_and_what_stands_too_low(parent: Checkpoint) -> None:
    """Two rows of three asked for; a genre row wished for at the top stands second."""
    catalog = parent.catalog
    form = Form(rows=3, missing_row=0.2, too_low=0.05, not_below={"genre": 0})
    page = (DecodedRow(0, (0, 3)), DecodedRow(1, (1, 4)))
    assert form.reward(page, catalog) == pytest.approx(-0.2 - 0.05)
    assert Form(rows=2).reward(page, catalog) == 0.0


@pytest.mark.parametrize(("rows", "low"), [(1, 0), (4, 2), (10, 5)])
def test_a_place_is_too_low_for_the_length_of_the_page(
    parent: Checkpoint, rows: int, low: int
) -> None:
    """Of four rows the upper two stand high enough where of ten the upper five do."""
    page = (DecodedRow(0, (0, 3)),) * rows
    form = Form(rows=rows, too_low=0.05, not_below={"genre": 0.4})
    assert form.reward(page, parent.catalog) == pytest.approx(-0.05 * low)


def test_every_wish_can_be_missed_on_pages_as_rl_draws_them() -> None:
    """A bound below the last row would never be charged."""
    rows = Settings().size.rows
    assert all(rows - 1 > share * rows for share in Form(rows=rows).not_below.values())
