"""The chance of a logged page under sampled scores, against counting every way out."""

from itertools import permutations

import numpy as np
import pytest

from evaluation.intervals import Estimate
from evaluation.logged_pages import page_chances
from evaluation.page_quality import Offline, predictiveness
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import DecodedRow, PageGrammar
from genpage.request import PageRequest
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends

CATALOG = Catalog.build(
    [Entity(f"e{i}", "film", f"Film {i}", genres=("A",) if i < 3 else ("B",)) for i in range(5)],
    [Row("all", "genre", "All"), Row("pick", "mix", "Pick", entity_ids=("e0", "e1", "e2"))],
)

WORTH = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def grammar(columns: int = 2) -> PageGrammar:
    """An empty page of rows of two."""
    request = PageRequest("u", 1e9, rows=2, entities_per_row=columns)
    return PageGrammar.start(CATALOG, Rules.default(), Context("u"), request, Trends.none(CATALOG))


def test_chances_of_all_pages_sum_to_one() -> None:
    """Of one row of two titles: every page that the rules allow, by the same scores."""
    scores = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
    total = 0.0
    for row in range(2):
        for titles in permutations(range(5), 2):
            chances = page_chances(grammar(), [DecodedRow(row, titles)], scores, 0.7, WORTH)
            if chances is not None:
                assert len(chances.chance) == 2
                total += float(chances.chance.prod())
            else:
                assert row == 1
                assert not set(titles) <= {0, 1, 2}
    assert total == pytest.approx(1.0)


def test_a_chance_by_hand() -> None:
    """A row's chance is its first title's too; what stands already is out of the running."""
    scores = np.zeros((6, 7), np.float32)
    scores[0, 1] = np.log(3)  # the row "pick" three times as likely as "all"
    scores[1, 2 + 0] = np.log(2)
    chances = page_chances(
        grammar(), [DecodedRow(1, (0, 1)), DecodedRow(0, (3, 4))], scores, 1.0, WORTH
    )
    assert chances is not None
    assert chances.chance.tolist() == pytest.approx([3 / 4 * 2 / 4, 1 / 2, 1.0 * 1 / 3, 1 / 2])
    # What would stand there on average: titles 0, 1, 2; then 1, 2; then 2, 3, 4; then 2, 4.
    averages = [(2 * 1.0 + 2.0 + 3.0) / 4, 2.5, 4.0, 4.0]
    assert chances.expected.tolist() == pytest.approx(averages)


def test_a_page_that_breaks_a_rule_has_no_chance() -> None:
    """A title twice, a title of another row, a row too short."""
    scores = np.zeros((6, 7), np.float32)
    for rows in (
        [DecodedRow(0, (0, 1)), DecodedRow(1, (0, 2))],
        [DecodedRow(1, (3, 4))],
        [DecodedRow(0, (0,))],
    ):
        assert page_chances(grammar(), rows, scores, 1.0, WORTH) is None


def test_what_predicts_the_truth_is_found() -> None:
    """A metric in its order correlates with 1, a loss in its order too, noise less."""

    def one(auc: float, loss: float, noise: float) -> Offline:
        def estimate(value: float) -> Estimate:
            return Estimate(value, value, value)

        metrics = {
            "entity_auc": estimate(auc),
            "wbc_loss": estimate(loss),
            "row_auc": estimate(noise),
        }
        return Offline(metrics, {}, 0)

    offlines = [one(0.6, 0.5, 0.2), one(0.7, 0.4, 0.9), one(0.8, 0.3, 0.1), one(0.9, 0.2, 0.4)]
    found = predictiveness(offlines, [1.0, 1.1, 1.3, 1.4])
    assert found["entity_auc"] == pytest.approx(1.0)
    assert found["wbc_loss"] == pytest.approx(1.0)
    assert found["row_auc"] < 0.5
    assert not predictiveness(offlines[:2], [1.0, 1.1])
