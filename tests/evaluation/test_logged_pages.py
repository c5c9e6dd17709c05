"""The chance of a logged page under sampled scores, against counting every way out."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from naive_decoder import scores_after
from numpy.typing import NDArray
from pages import library, plan

from evaluation.intervals import Estimate
from evaluation.off_policy import Logged, OffPolicy, doubly_robust, ips
from evaluation.page_chances import page_chances
from evaluation.page_quality import Offline, OfPolicy, predictiveness
from evaluation.policy import Policy
from evaluation.support import Support
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.exploration import Exploration
from genpage.grammar import DecodedRow, PageGrammar
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends
from runtime.fake import FakeModel
from runtime.writer import PageWriter

CATALOG = Catalog.build(
    [Entity(f"e{i}", "film", f"Film {i}", genres=("A",) if i < 3 else ("B",)) for i in range(5)],
    [Row("all", "genre", "All"), Row("pick", "mix", "Pick", entity_ids=("e0", "e1", "e2"))],
)

WORTH = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def grammar(columns: int = 2) -> PageGrammar:
    """An empty page of rows of two."""
    request = PageRequest("u", 1e9, rows=2, entities_per_row=columns)
    return PageGrammar.start(CATALOG, Rules.default(), Context("u"), request, Trends.none(CATALOG))


def drawn(temperature: float = 1.0) -> Policy:
    """All of it drawn, title by title."""
    return Policy(Exploration(1.0, temperature), autoregressive=20)


@pytest.mark.parametrize("share", [1.0, 0.3, 0.0])
@pytest.mark.parametrize("autoregressive", [1, 2])
def test_chances_of_all_pages_sum_to_one(share: float, autoregressive: int) -> None:
    """Of one row of two titles: every page that the rules allow, by the same scores."""
    policy = Policy(Exploration(share, 0.7), autoregressive)
    scores = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
    total = 0.0
    for row in range(2):
        for titles in permutations(range(5), 2):
            chances = page_chances(grammar(), [DecodedRow(row, titles)], scores, policy, WORTH)
            if row == 0 or set(titles) <= {0, 1, 2}:
                assert len(chances.chance) == 2
                assert share == 0.0 or chances.chance.all()
                total += float(chances.chance.prod())
            else:
                assert chances.chance[-1] == 0
    assert total == pytest.approx(1.0)


def test_the_chance_of_a_page_that_is_served_by_hand() -> None:
    """A tenth is drawn; the row is filled by the scores that chose its first title."""
    policy = Policy(Exploration(0.1), autoregressive=1)
    scores = np.zeros((3, 7), np.float32)
    scores[0, 1] = np.log(3)  # the row "pick" three times as likely as "all"
    scores[1, 2 + 0] = np.log(2)
    scores[2, 2 + 1] = 50.0  # nobody asks what stands behind the first title
    best = page_chances(grammar(), [DecodedRow(1, (0, 1))], scores, policy, WORTH)
    opened, first, second = 0.9 + 0.1 * 3 / 4, 0.9 + 0.1 * 2 / 4, 0.9 + 0.1 / 2
    assert best.chance.tolist() == pytest.approx([opened * first, second])
    assert best.expected[1] == pytest.approx(0.9 * 2.0 + 0.1 * 2.5)
    other = page_chances(grammar(), [DecodedRow(1, (2, 0))], scores, policy, WORTH)
    assert other.chance.tolist() == pytest.approx([opened * 0.1 / 4, 0.9 + 0.1 * 2 / 3])
    alone = replace(policy, autoregressive=2)
    behind = page_chances(grammar(), [DecodedRow(1, (0, 1))], scores, alone, WORTH)
    assert behind.chance[1] == pytest.approx(1.0)


@pytest.mark.parametrize("autoregressive", [1, 3, 20])
def test_chances_are_the_propensities_that_serving_tells(autoregressive: int) -> None:
    """Of pages that the engine's decoder explores, by the same scores."""
    page = plan(library(entities=60, rows=8), 4, 6, autoregressive)
    model = FakeModel.of(page.catalog, levels=3)  # ties too
    exploration = Exploration(0.4, 0.8)
    worth = np.zeros(60)
    for number in range(10):
        job = replace(page.job(model, f"page {number}"), exploration=exploration)
        writer, tokens = PageWriter(job), list(page.prompt)
        served = []
        while writer.reason is None:
            chosen, row = writer.decide(scores_after(model, tokens))
            tokens += chosen.tolist()
            served += [] if row is None else [row]
        ends = range(len(page.prompt), len(tokens))
        scores = np.stack([scores_after(model, tokens[:end]) for end in ends])
        found = page_chances(
            page.grammar(),
            [row.row for row in served],
            scores,
            Policy(exploration, autoregressive),
            worth,
        )
        told = [chance for row in served for chance in row.propensities]
        assert len(told) == 24
        assert found.chance.tolist() == pytest.approx(told, rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_the_served_policys_reward_is_estimated_from_anothers_pages(share: float) -> None:
    """Every page of a small catalog, as often as it is logged: the estimate is the truth itself.

    The truth by the textbook's formula: the best with what is not drawn, else by the softmax.
    """
    policy = Policy(Exploration(share), autoregressive=1)
    scores = np.random.default_rng(2).normal(size=(3, 7)).astype(np.float32)
    chances, rewards, truths = [], [], []
    for row in range(2):
        for titles in permutations(range(5) if row == 0 else range(3), 2):
            found = page_chances(grammar(), [DecodedRow(row, titles)], scores, policy, WORTH)
            rewards.append([WORTH[titles[0]], WORTH[titles[1]]])
            chances.append(found)
            chance = textbook(share, scores[0, :2], [0, 1], row)
            left = list(range(5) if row == 0 else range(3))
            for title in titles:
                chance *= textbook(share, scores[1, 2:], left, title)
                left.remove(title)
            truths.append(chance)
    pages = len(rewards)  # one of each kind: as if every page were as likely as any other
    assert sum(truths) == pytest.approx(1.0)
    logged = np.column_stack([np.full(pages, 1 / pages), np.ones(pages)])
    target = np.stack([found.chance for found in chances])
    pages_of = Logged(
        np.array(rewards), logged, target, np.ones((pages, 2), np.bool_), np.arange(pages)
    )
    truth = float(np.array(truths) @ np.array(rewards).sum(axis=1))
    assert ips(pages_of).estimate.value == pytest.approx(truth)
    sampled = np.stack(
        [
            page_chances(grammar(), [DecodedRow(0, t)], scores, drawn(), WORTH).chance
            for t in ((0, 1), (3, 4))
        ]
    )
    assert not np.allclose(sampled, target[: len(sampled)])


def textbook(share: float, scores: NDArray[np.float32], left: list[int], chosen: int) -> float:
    """The chance of one choice of those left."""
    odds = {index: np.exp(float(scores[index])) for index in left}
    best = max(left, key=lambda index: float(scores[index]))
    return float(share * odds[chosen] / sum(odds.values()) + (1 - share) * (chosen == best))


def test_a_chance_by_hand() -> None:
    """A row's chance is its first title's too; what stands already is out of the running."""
    scores = np.zeros((6, 7), np.float32)
    scores[0, 1] = np.log(3)  # the row "pick" three times as likely as "all"
    scores[1, 2 + 0] = np.log(2)
    chances = page_chances(
        grammar(), [DecodedRow(1, (0, 1)), DecodedRow(0, (3, 4))], scores, drawn(), WORTH
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
        chances = page_chances(page, [DecodedRow(row, (row,))], scores, drawn(), worth)
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
    """A title twice, a title of another row, a row too short, the last one too, a row twice."""
    scores = np.zeros((6, 7), np.float32)
    # Behind two titles of "pick" no row can be filled; instead of e3 it shows e0, e1 or e2; behind
    # e0 alone one of the other four of "all".
    for rows, before, instead in (
        ([DecodedRow(0, (0, 1)), DecodedRow(1, (0, 2))], 2, 0.0),
        ([DecodedRow(0, (0, 1)), DecodedRow(0, (2, 3))], 2, 0.0),
        ([DecodedRow(1, (0, 3))], 1, 2.5),
        ([DecodedRow(0, (0,)), DecodedRow(1, (1, 2))], 1, 3.5),
        ([DecodedRow(0, (0,))], 1, 3.5),
        ([DecodedRow(1, (1, 2)), DecodedRow(0, (0,))], 3, 4.5),
    ):
        chances = page_chances(grammar(), rows, scores, drawn(), WORTH)
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
        chances.append(page_chances(page, [row], np.zeros((2, 5), np.float32), drawn(), worth))
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
        estimates = {"ips_page": OffPolicy(estimate(-auc), 3.0, 9)}
        sampled = OfPolicy(Policy(Exploration(1.0)), estimates, estimate(-2.0 * auc))
        return Offline(metrics, (sampled,), None, Support(9, 0, 0))

    offlines = [one(0.6, 0.5, 0.2), one(0.7, 0.4, 0.9), one(0.8, 0.3, 0.1), one(0.9, 0.2, 0.4)]
    found = predictiveness(offlines, [1.0, 1.1, 1.3, 1.4])
    assert found["entity_auc"] == pytest.approx(1.0)
    assert found["wbc_loss"] == pytest.approx(1.0)
    assert found["row_auc"] < 0.5
    # Of another policy than the one that is served, and held against that one's own truth.
    assert found["ips_page, all drawn at temperature 1"] == pytest.approx(1.0)
    assert not predictiveness(offlines[:2], [1.0, 1.1])
