"""The chance of a logged page under sampled scores, against counting every way out."""

from itertools import permutations

import numpy as np
import pytest

from evaluation.intervals import Estimate
from evaluation.off_policy import Logged, doubly_robust, ips
from evaluation.page_chances import page_chances
from evaluation.page_quality import Offline, predictiveness
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import DecodedRow, PageGrammar
from genpage.profile import Profile
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
            if chances.chance.all():
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
    # What would stand there on average: "all" with 3.0 and "pick" with 2.0, by their chances; then
    # titles 1, 2; then "all", the only row left, with 2, 3, 4; then 2, 4.
    averages = [(3.0 + 3 * 2.0) / 4, 2.5, 4.0, 4.0]
    assert chances.expected.tolist() == pytest.approx(averages)
    # What stood there: the row "pick", title 1, the row "all", title 4.
    assert chances.predicted.tolist() == pytest.approx([2.0, 2.0, 4.0, 5.0])


@pytest.mark.parametrize("logged_chance", [0.5, 0.9])
def test_a_right_model_knows_which_of_two_rows_the_target_opens(logged_chance: float) -> None:
    """Whatever the log says of its chances: the target opens the good row, and earns 1."""
    catalog = Catalog.build(
        [Entity(f"e{i}", "film", f"Film {i}") for i in range(2)],
        [Row(f"r{i}", "mix", f"Row {i}", entity_ids=(f"e{i}",)) for i in range(2)],
    )
    request = PageRequest("u", 1e9, rows=1, entities_per_row=1)
    scores = np.zeros((2, 4), np.float32)
    scores[0, 1] = 50.0
    worth = np.array([0.0, 1.0])
    found = []
    for row in (0, 1):
        page = PageGrammar.start(
            catalog, Rules.default(), Context("u"), request, Trends.none(catalog)
        )
        chances = page_chances(page, [DecodedRow(row, (row,))], scores, 1.0, worth)
        found.append(chances)
    logged = Logged(
        np.array([[0.0], [1.0]]),
        np.full((2, 1), logged_chance),
        np.stack([chances.chance for chances in found]),
        np.ones((2, 1), np.bool_),
        np.arange(2),
    )
    estimate = doubly_robust(
        logged,
        np.stack([chances.predicted for chances in found]),
        np.stack([chances.expected for chances in found]),
    )
    assert estimate.estimate.value == pytest.approx(1.0)


def test_a_page_that_breaks_a_rule_has_no_chance_from_there_on() -> None:
    """A title twice, a title of another row, a row too short, a row twice."""
    scores = np.zeros((6, 7), np.float32)
    # Behind two titles of "pick" no row can be filled; instead of e3 it shows e0, e1 or e2; behind
    # e0 alone one of the other four of "all".
    for rows, before, instead in (
        ([DecodedRow(0, (0, 1)), DecodedRow(1, (0, 2))], 2, 0.0),
        ([DecodedRow(0, (0, 1)), DecodedRow(0, (2, 3))], 2, 0.0),
        ([DecodedRow(1, (0, 3))], 1, 2.5),
        ([DecodedRow(0, (0,)), DecodedRow(1, (1, 2))], 1, 3.5),
    ):
        chances = page_chances(grammar(), rows, scores, 1.0, WORTH)
        assert (chances.chance > 0).tolist() == [True] * before + [False]
        assert chances.expected[-1] == pytest.approx(instead)


def test_pages_that_the_target_cannot_show_count_as_nothing() -> None:
    """Two of four titles are forbidden: left out, their pages would double the reward."""
    catalog = Catalog.build(
        [Entity(f"e{i}", "film", f"Film {i}", maturity=18 * (i > 1)) for i in range(4)],
        [Row("all", "mix", "All", entity_ids=tuple(f"e{i}" for i in range(4)))],
    )
    profile = Profile("u", country="US", maturity=12)
    request = PageRequest("u", 1e9, rows=1, entities_per_row=1)
    worth = np.array([0.0, 1.0, 5.0, 5.0])
    chances = []
    for title in range(4):
        page = PageGrammar.start(
            catalog, Rules.default(), Context("u", profile), request, Trends.none(catalog)
        )
        row = DecodedRow(0, (title,))
        chances.append(page_chances(page, [row], np.zeros((2, 5), np.float32), 1.0, worth))
    logged = Logged(
        worth[:, None],
        np.full((4, 1), 0.25),
        np.stack([each.chance for each in chances]),
        np.ones((4, 1), np.bool_),
        np.arange(4),
    )
    assert ips(logged).estimate.value == pytest.approx(0.5)
    predicted, expected = (
        np.stack([getattr(each, name) for each in chances]) for name in ("predicted", "expected")
    )
    assert doubly_robust(logged, predicted, expected).estimate.value == pytest.approx(0.5)


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
