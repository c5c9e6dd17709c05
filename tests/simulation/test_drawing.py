"""Drawing pages: the propensities are the frequencies."""

from collections import Counter

import numpy as np
import pytest

from simulation.drawing import Drawing

# Three rows over seven titles; the third belongs to every other member alone.
MEMBERS = np.array(
    [[1, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0]], np.float32
)
WEIGHTS = np.array([3.0, 1.0, 2.0, 0.5, 1.0, 4.0, 0.2], np.float32)
PRIORS = np.array([0.0, 0.3, -0.2])
OWN = np.array([True, False, False, True, True, False, False])


def drawn(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pages of two rows of two titles: rows (B, 2), titles (B, 2, 2), their probability (B,)."""
    personal = np.zeros((count, len(WEIGHTS)), np.bool_)
    personal[::2] = OWN
    drawing = Drawing(np.tile(WEIGHTS, (count, 1)), MEMBERS, {2: personal}, PRIORS, 2)
    rows, titles, chance = np.zeros((count, 2), int), np.zeros((count, 2, 2), int), np.ones(count)
    for place in range(2):
        chosen = drawing.choose_rows(np.arange(count), random)
        filled = drawing.fill(chosen, random)
        rows[chosen.page, place] = chosen.row
        titles[chosen.page, place] = filled.entities
        chance[chosen.page] *= chosen.probability * filled.probability.prod(axis=1)
    return rows, titles, chance


def test_pages_come_as_often_as_their_propensities_say() -> None:
    """The product over a page's lines is the share of that page among 200,000."""
    count = 200_000
    rows, titles, chance = drawn(count, np.random.default_rng(1))
    flat = np.concatenate([rows, titles.reshape(count, 4)], axis=1)
    for parity in (0, 1):  # with a row of one's own, and without
        pages = [tuple(line) for line in flat[parity::2].tolist()]
        claimed = dict(zip(pages, chance[parity::2].tolist(), strict=True))
        shares = {page: number / len(pages) for page, number in Counter(pages).items()}
        assert sum(claimed.values()) == pytest.approx(1.0, abs=0.02)
        frequent = [page for page, share in shares.items() if share > 0.01]
        assert len(frequent) > 5
        for page in frequent:
            assert shares[page] == pytest.approx(claimed[page], rel=0.1)


def test_no_title_and_no_row_twice() -> None:
    """What was used is gone from every row, and a row opens once."""
    rows, titles, _ = drawn(5_000, np.random.default_rng(2))
    assert (rows[:, 0] != rows[:, 1]).all()
    ordered = np.sort(titles.reshape(len(titles), 4), axis=1)
    assert (np.diff(ordered, axis=1) > 0).all()


def test_a_row_that_is_too_short_stays_closed() -> None:
    """Pages that no row fits are left out, and a closed row is nobody's."""
    drawing = Drawing(np.tile(WEIGHTS, (3, 1)), MEMBERS, {}, PRIORS, 4)
    drawing.close(1)
    random = np.random.default_rng(0)
    chosen = drawing.choose_rows(np.arange(3), random)
    assert chosen.row.tolist() == [0, 0, 0]
    assert chosen.probability.tolist() == [1.0, 1.0, 1.0]
    drawing.fill(chosen, random)
    assert len(drawing.choose_rows(np.arange(3), random).page) == 0
