"""The true expected reward: against Monte Carlo, and the page-level effects it must show."""

from dataclasses import replace

import numpy as np
import pytest

from genpage.catalog import SECONDS_A_DAY
from simulation.behaviour import DOWN, OUTCOMES, PLAY, Values
from simulation.feedback import Feedback, sample
from simulation.odds import Odds, Visits, earlier_equals, weigh
from simulation.reward import expect
from simulation.settings import Settings
from simulation.truth import Ints, Truth
from simulation.world import World, build_world


@pytest.fixture(scope="module")
def world() -> World:
    """A world of 40 members and 300 titles."""
    return build_world(Settings(members=40, entities=300, days=10, seed=5))


def random_pages(world: World, count: int, rows: int, columns: int, seed: int) -> Ints:
    """Pages (count, rows, columns) of distinct titles."""
    random = np.random.default_rng(seed)
    size = len(world.truth.entity_ids)
    pages = [random.permutation(size)[: rows * columns] for _ in range(count)]
    return np.array(pages, np.int32).reshape(count, rows, columns)


def visits(world: World, count: int, seed: int = 0) -> Visits:
    """Members at random times on random devices."""
    random = np.random.default_rng(seed)
    return Visits(
        random.integers(len(world.truth.member_ids), size=count).astype(np.int32),
        world.truth.start + random.uniform(-1, 12, size=count) * SECONDS_A_DAY,
        random.integers(4, size=count).astype(np.int32),
    )


def odds_of(truth: Truth, who: Visits, pages: Ints) -> Odds:
    """The odds of pages on which nothing is known."""
    return weigh(truth, who, pages, np.zeros_like(pages))


def observed(feedback: Feedback, values: Values) -> np.ndarray:
    """(B,) the reward of what was done: the definition, read off the feedback."""
    worth = np.append(np.array(values.outcomes), 0.0)[feedback.outcome]
    hours = np.where(feedback.outcome == PLAY, feedback.watched_s, 0.0) / 3600.0
    total: np.ndarray = (worth + values.hour * hours).sum(axis=1)
    return total


def repeated(who: Visits, times: int) -> Visits:
    """Each visit many times."""
    return Visits(
        np.repeat(who.member, times), np.repeat(who.at, times), np.repeat(who.device, times)
    )


@pytest.mark.parametrize(("rows", "columns"), [(6, 12), (3, 2), (1, 20), (5, 1)])
def test_expectation_agrees_with_monte_carlo(world: World, rows: int, columns: int) -> None:
    """The exact reward, and each place's probabilities, lie where thousands of draws put them."""
    draws, pages = 4000, 4
    lively = replace(world.truth.behaviour, base_attraction=-2.0)  # so that satiation matters
    truth = replace(world.truth, behaviour=lively)
    who, shown = visits(world, pages), random_pages(world, pages, rows, columns, seed=1)
    shown[0, -1, columns // 2 :] = -1  # a row that ends early
    shown[1, 0] = -1  # an empty row
    exact = expect(lively, odds_of(truth, who, shown))
    odds = odds_of(truth, repeated(who, draws), np.repeat(shown, draws, axis=0))
    feedback = sample(lively, odds, np.random.default_rng(2))
    values = Values()
    rewards = observed(feedback, values).reshape(pages, draws)
    error = rewards.std(axis=1) / np.sqrt(draws)
    assert np.abs(rewards.mean(axis=1) - exact.reward(values)).max() < 4.5 * error.max()
    seen = feedback.seen.reshape(pages, draws, -1).mean(axis=1)
    assert np.abs(seen - exact.seen).max() < 0.04
    acted = feedback.outcome.reshape(pages, draws, -1)
    for outcome in range(len(OUTCOMES)):
        share = (acted == outcome).mean(axis=1)
        assert np.abs(share - exact.outcomes[..., outcome]).max() < 0.03


def test_watching_agrees_with_monte_carlo(world: World) -> None:
    """The expected seconds of a play are the mean of what plays last, for every kind."""
    truth = replace(
        world.truth, behaviour=replace(world.truth.behaviour, base_attraction=4.0, most_plays=9)
    )
    for kind in range(4):
        entity = int(np.flatnonzero(truth.kind == kind)[0])
        shown = np.full((20_000, 1, 1), entity, np.int32)
        who = repeated(visits(world, 1), len(shown))
        odds = odds_of(truth, who, shown)
        feedback = sample(truth.behaviour, odds, np.random.default_rng(kind))
        lasted = feedback.watched_s[feedback.outcome == PLAY]
        expected = odds.watching.expected_s[0, 0]
        assert lasted.mean() == pytest.approx(expected, rel=0.04)


def test_near_duplicates_lower_the_reward(world: World) -> None:
    """A page of one strand is worth less than the same titles' pages of many strands."""
    truth = world.truth
    who = visits(world, 30)
    pages = random_pages(world, 30, 4, 8, seed=3)
    alike = replace(truth, strand=np.zeros_like(truth.strand))
    varied = replace(truth, strand=np.arange(len(truth.strand), dtype=np.int32))
    behaviour = truth.behaviour
    worse = expect(behaviour, odds_of(alike, who, pages)).reward()
    better = expect(behaviour, odds_of(varied, who, pages)).reward()
    assert (worse < better).mean() > 0.9
    assert worse.mean() < 0.8 * better.mean()


def test_a_title_is_worth_more_where_people_look(world: World) -> None:
    """The best title first is worth more than the same page turned around: position bias."""
    truth, who = world.truth, visits(world, 60)
    pages = random_pages(world, 60, 5, 10, seed=4)
    flat = pages.reshape(60, -1)
    distinct = replace(truth, strand=np.arange(len(truth.strand), dtype=np.int32))
    order = np.argsort(-odds_of(distinct, who, pages).attraction, axis=1)
    best = np.take_along_axis(flat, order, axis=1).reshape(pages.shape)
    worst = best.reshape(60, -1)[:, ::-1].reshape(pages.shape)
    behaviour = truth.behaviour
    first = expect(behaviour, odds_of(distinct, who, best)).reward()
    last = expect(behaviour, odds_of(distinct, who, worst)).reward()
    assert first.mean() > 1.3 * last.mean()


def test_satiation_lowers_later_engagement(world: World) -> None:
    """With satiation, the second of two irresistible rows is engaged with less."""
    truth = replace(
        world.truth, behaviour=replace(world.truth.behaviour, leave_after_play=0.0, satiation=0.0)
    )
    tired = replace(truth.behaviour, satiation=2.0)
    who, pages = visits(world, 40), random_pages(world, 40, 4, 6, seed=6)
    odds = odds_of(truth, who, pages)
    fresh_plays = expect(truth.behaviour, odds).outcomes[:, -6:, PLAY].sum()
    tired_plays = expect(tired, odds).outcomes[:, -6:, PLAY].sum()
    assert tired_plays < fresh_plays


def test_a_dull_first_row_makes_members_leave(world: World) -> None:
    """What stands below is seen less when the first row is dull: abandonment of the page."""
    truth, who = world.truth, visits(world, 40)
    pages = random_pages(world, 40, 3, 6, seed=8)
    odds = odds_of(truth, who, pages)
    pale = replace(truth, allure=truth.allure - 4.0)
    onward = odds_of(pale, who, pages).onward[:, 0]
    assert (onward < odds.onward[:, 0]).all()


def test_expectation_is_a_subprobability(world: World) -> None:
    """Every place is seen at most once, and outcomes never exceed being seen."""
    who, pages = visits(world, 50), random_pages(world, 50, 6, 10, seed=9)
    result = expect(world.truth.behaviour, odds_of(world.truth, who, pages))
    assert ((result.seen >= 0) & (result.seen <= 1 + 1e-9)).all()
    assert (result.outcomes.sum(axis=2) <= result.seen + 1e-9).all()
    assert (result.outcomes[..., DOWN] >= 0).all()


def test_earlier_equals_counts_as_plain_python_does() -> None:
    """The vectorised count of earlier equals is the plain one."""
    values = np.random.default_rng(0).integers(-1, 4, size=(20, 30)).astype(np.int32)
    for line, counts in zip(values, earlier_equals(values), strict=True):
        plain = [list(line[:place]).count(v) if v >= 0 else 0 for place, v in enumerate(line)]
        assert counts.tolist() == plain
