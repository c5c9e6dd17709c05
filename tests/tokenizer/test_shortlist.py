"""A shortlist finds what looking at every title of the row would, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from pages import library, plan

from genpage.grammar import PageGrammar
from runtime.selection import top
from tokenizer.appeal import PageAppeal
from tokenizer.crowd import CROWDS, grained

TITLES = 900
WEIGHTS = np.array([-0.2, -0.1], np.float32)
PROMISE = np.zeros(4, np.float32)


def appeal_of(seed: int, weights: np.ndarray = WEIGHTS, *, kinds: int = 6) -> PageAppeal:
    """Titles of a few kinds, much alike within each, so that crowding turns the order around."""
    chance = np.random.default_rng(seed)
    middle = chance.normal(size=(kinds, 24))[chance.integers(kinds, size=TITLES)]
    rough = (middle + 0.3 * chance.normal(size=(TITLES, 24))).astype(np.float32)
    content = grained(rough / np.linalg.norm(rough, axis=1, keepdims=True))
    own = np.round(chance.normal(size=TITLES), 2).astype(np.float32)  # with equals
    return PageAppeal.of(own, PROMISE, content, weights)


def slowly(
    appeal: PageAppeal, grammar: PageGrammar, scores: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best of all titles that may come next, and their values."""
    allowed = grammar.allowed_entities()
    values = (scores + appeal.fresh().titles(grammar))[allowed]
    chosen = top(values, allowed, count)
    return chosen, values[np.searchsorted(allowed, chosen)]


@pytest.mark.parametrize("seed", range(12))
def test_it_finds_the_best_of_all(seed: int) -> None:
    """One by one and many at once, in copies that go their own way."""
    chance = np.random.default_rng(seed)
    grammar = plan(library(entities=TITLES, rows=9), rows=9, entities_per_row=20).grammar()
    appeal, whole, looked_at = appeal_of(seed), 0, 0
    while len(rows := grammar.allowed_rows()):
        grammar.open_row(int(chance.choice(rows)))
        while grammar.room:
            scores = np.round(0.3 * chance.normal(size=TITLES), 1).astype(np.float32)
            count = int(chance.choice((1, 1, grammar.room)))
            if chance.random() < 0.3:  # a guess, which is taken back
                ahead, beside = grammar.fork(), appeal.fork()
                ahead.add(int(chance.choice(ahead.allowed_entities())))
                if ahead.room:
                    beside.best(ahead, scores, 1)
            titles, values = appeal.best(grammar, scores, count)
            whole, looked_at = whole + len(grammar.allowed_entities()), looked_at + len(titles)
            best, worth = slowly(appeal, grammar, scores, count)
            chosen = top(values, titles, count)
            assert np.array_equal(chosen, best)
            assert np.array_equal(values[np.searchsorted(titles, chosen)], worth)
            grammar.extend(chosen.tolist())
    assert looked_at < 0.8 * whole  # else it saved nothing


def test_a_title_that_it_never_looked_at_may_be_placed() -> None:
    """Whoever places a title: it is not offered again, and those like it lose by it."""
    grammar = plan(library(entities=TITLES, rows=2), rows=2, entities_per_row=12).grammar()
    appeal, scores = appeal_of(1), np.zeros(TITLES, np.float32)
    grammar.open_row(int(grammar.allowed_rows()[0]))
    appeal.best(grammar, scores, 1)
    allowed = grammar.allowed_entities()
    grammar.add(int(allowed[appeal.entities[allowed].argmin()]))
    titles, values = appeal.best(grammar, scores, 11)
    assert np.array_equal(top(values, titles, 11), slowly(appeal, grammar, scores, 11)[0])
    assert not set(grammar.placed) & set(titles.tolist())


@pytest.mark.parametrize("lost", [np.nan, -np.inf])
def test_scores_that_are_no_numbers(lost: float) -> None:
    """They come through as they are, for `runtime.selection` to refuse."""
    grammar = plan(library(entities=TITLES, rows=2), rows=1, entities_per_row=5).grammar()
    appeal, scores = appeal_of(2), np.zeros(TITLES, np.float32)
    grammar.open_row(int(grammar.allowed_rows()[0]))
    titles, values = appeal.best(grammar, scores, 2)
    grammar.extend(top(values, titles, 2).tolist())
    scores[:] = lost
    titles, values = appeal.best(grammar, scores, 3)
    assert set(titles.tolist()) == set(grammar.allowed_entities().tolist())
    assert np.array_equal(values, np.full(len(titles), lost, np.float32), equal_nan=True)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 0.5)])
def test_where_crowding_may_add_all_are_looked_at(weights: tuple[float, float]) -> None:
    """Titles are only passed over where those above take from them."""
    assert len(weights) == CROWDS
    appeal = appeal_of(3, np.array(weights, np.float32))
    assert appeal.shortlist is None
    grammar = plan(library(entities=TITLES, rows=2), rows=1, entities_per_row=5).grammar()
    grammar.open_row(int(grammar.allowed_rows()[0]))
    titles, _ = appeal.best(grammar, np.zeros(TITLES, np.float32), 1)
    assert np.array_equal(titles, grammar.allowed_entities())
    assert replace(appeal, shortlist=None).fork().shortlist is None
