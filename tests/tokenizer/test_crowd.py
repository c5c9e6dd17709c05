"""What stands above takes from what is like it: by hand, and the same whoever asks when."""

import operator
from fractions import Fraction

import numpy as np
import pytest

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import PageGrammar
from genpage.request import PageRequest
from genpage.row import Row, Where
from genpage.rules import Rules
from genpage.trends import Trends
from tokenizer.appeal import PageAppeal
from tokenizer.crowd import CROWDS, NOTICED, Crowd, around, crowding, grained, powers, wide

WEIGHTS = np.array([-0.5, -2.0], np.float32)
PER_ROW = NOTICED + 2


@pytest.fixture
def films() -> Catalog:
    """Three genres with a row each."""
    entities = [Entity(f"e{n}", "film", f"Film {n}", genres=(f"g{n % 3}",)) for n in range(60)]
    rows = [Row(f"r{n}", "genre", f"g{n}", where=Where(genres_any=(f"g{n}",))) for n in range(3)]
    return Catalog.build(entities, rows)


@pytest.fixture
def content() -> np.ndarray:
    """(E, C) of unit length, nearly."""
    found = np.random.default_rng(3).normal(size=(60, 5)).astype(np.float32)
    return grained(found / np.linalg.norm(found, axis=1, keepdims=True))


def start(films: Catalog) -> PageGrammar:
    """An empty page of rows that are longer than what is noticed of them."""
    request = PageRequest("u", at=1.7e9, entities_per_row=PER_ROW)
    return PageGrammar.start(films, Rules.default(), Context("u"), request, Trends.none(films))


def by_hand(content: np.ndarray, above: list[int], title: int) -> list[float]:
    """Sums over the titles above of the cosine's second and fourth power, where it is positive."""
    near = [max(0.0, float(content[title] @ content[other])) for other in above]
    return [sum(x**2 for x in near), sum(x**4 for x in near)]


def test_it_is_the_sum_over_noticed_titles(films: Catalog, content: np.ndarray) -> None:
    """Of finished rows and of the open one, each row's first ones alone; opposites do nothing."""
    grammar, crowd = start(films), Crowd(content, WEIGHTS)
    assert not crowd.added(grammar).any()
    first, second = grammar.allowed_rows().tolist()[:2]
    grammar.open_row(first)
    row = grammar.allowed_entities().tolist()[:PER_ROW]
    grammar.extend(row)
    grammar.open_row(second)
    opened = grammar.allowed_entities().tolist()[:3]
    grammar.extend(opened)
    assert grammar.placed == tuple(opened)
    above = [*row[:NOTICED], *opened]
    found, added = crowd.features(grammar), crowd.added(grammar)
    mine = grammar.allowed_entities().tolist()
    assert len(mine) > 5
    for title in mine:
        expected = by_hand(content, above, title)
        assert found[:, title] == pytest.approx(expected, abs=1e-5)
        assert added[title] == pytest.approx(-0.5 * expected[0] - 2.0 * expected[1], abs=1e-5)
    others = np.setdiff1d(np.arange(60), [*mine, *opened])
    assert not found[:, others].any()
    assert not added[others].any()


def test_it_depends_on_the_page_alone(films: Catalog, content: np.ndarray) -> None:
    """Asked at every title, asked at the end, asked of a copy: the same to the bit."""
    grammar, often, once = start(films), Crowd(content, WEIGHTS), Crowd(content, WEIGHTS)
    grammar.open_row(int(grammar.allowed_rows()[0]))
    for _ in range(5):
        often.added(grammar)
        grammar.add(int(grammar.allowed_entities()[0]))
    copy, fork = often.fork(), grammar.fork()
    fork.add(int(fork.allowed_entities()[-1]))
    copied = copy.added(fork)
    assert (often.added(grammar) == once.added(grammar)).all()
    assert (copied == Crowd(content, WEIGHTS).added(fork)).all()
    assert (copied != often.added(grammar)).any()


@pytest.mark.parametrize("count", [1, 2, 5, 300])
def test_no_title_depends_on_those_beside_it(count: int) -> None:
    """Whatever is asked for in one go: sums run one after another over exact cosines."""
    chance = np.random.default_rng(count)
    rough = chance.normal(size=(300 + 320, 128)).astype(np.float32)
    content = grained(rough / np.linalg.norm(rough, axis=1, keepdims=True))
    assert np.abs(content - rough / np.linalg.norm(rough, axis=1, keepdims=True)).max() < 3.1e-8
    titles, above = wide(content[:count]), wide(content[300:])
    for one, other in ((0, 0), (count - 1, 319)):
        exact = sum(map(operator.mul, map(Fraction, titles[one]), map(Fraction, above[other])))
        assert Fraction((titles @ above.T)[one, other]) == exact
    found = np.zeros((CROWDS, count), np.float32)
    for other in above:
        found += powers(titles @ other)
    assert np.array_equal(around(titles, above), found)
    assert not around(titles, above[:0]).any()


def test_a_whole_page_at_once_is_the_same(films: Catalog, content: np.ndarray) -> None:
    """What training computes of a logged page is what each title met when it was placed."""
    grammar, crowd = start(films), Crowd(content, WEIGHTS)
    met, shown, columns = [], [], []
    for row in grammar.allowed_rows().tolist():
        grammar.open_row(row)
        for column in range(grammar.room):
            title = int(grammar.allowed_entities()[0])
            met.append(crowd.features(grammar)[:, title])
            grammar.add(title)
            shown.append(title)
            columns.append(column)
    found = crowding(content[shown], np.array(columns))
    assert found.shape == (len(shown), CROWDS)
    assert found == pytest.approx(np.stack(met), abs=1e-4)


def test_an_appeal_adds_it_title_by_title(films: Catalog, content: np.ndarray) -> None:
    """To what titles have of their own; copies do not see one another; without weights nothing."""
    own = np.random.default_rng(1).normal(size=60).astype(np.float32)
    promise = np.zeros(4, np.float32)
    appeal = PageAppeal.of(own, promise, content, WEIGHTS)
    grammar = start(films)
    grammar.open_row(int(grammar.allowed_rows()[0]))
    given = []
    for _ in range(4):
        title = int(grammar.allowed_entities()[0])
        given.append(appeal.titles(grammar)[title])
        grammar.add(title)
    fork = appeal.fork()
    expected = own + Crowd(content, WEIGHTS).added(grammar)
    for each in (appeal, fork, appeal.fresh()):
        assert (each.titles(grammar) == expected).all()
    assert appeal.of_rows([grammar.placed]) == pytest.approx(np.array(given), abs=1e-5)
    for idle in (PageAppeal.of(own, promise), PageAppeal.of(own, promise, content)):
        assert (idle.titles(grammar) == own).all()
        assert (idle.of_rows([grammar.placed]) == own[list(grammar.placed)]).all()
