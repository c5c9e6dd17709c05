"""What decisions are told from while fitting: bounded, and nothing that may not come."""

import numpy as np
import pytest
import torch

from training.drafts.ballots import Ballots
from training.drafts.decided import DecidedPage, Deciding


@pytest.mark.parametrize("titles", [5, 1000])
def test_a_ballot_has_what_may_come(
    deciding: Deciding, pages: list[DecidedPage], titles: int
) -> None:
    """All rows and the titles shown most, each with what was added where it may come at all."""
    catalog = deciding.visits.catalog
    rows, items = len(catalog.rows), len(catalog.rows) + len(catalog.entities)
    ballots = Ballots.of(pages, deciding.between, rows=rows, items=items, titles=titles)
    shown = np.bincount(np.concatenate([page.items for page in pages]), minlength=items)[rows:]
    candidates = ballots.candidates.tolist()
    assert candidates[:rows] == list(range(rows))
    told = [item - rows for item in candidates[rows:]]
    assert len(told) == min(titles, (shown > 0).sum())
    assert shown[told].min() >= np.delete(shown, told).max()
    others = 0
    for page, added, decided in zip(pages, ballots.added, ballots.decided, strict=True):
        for line, place, item, between in zip(
            added, decided.tolist(), page.decided.tolist(), deciding.between(page), strict=True
        ):
            may = dict(zip(between.items.tolist(), between.added.tolist(), strict=True))
            expected = [may.get(candidate, float("-inf")) for candidate in candidates]
            torch.testing.assert_close(line, torch.tensor(expected, dtype=torch.float16))
            assert place == (candidates.index(item) if item in candidates else -1)
            others += place < 0
    assert (others > 0) == (titles == 5)
