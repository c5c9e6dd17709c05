"""What rows promise, against a plain count over everything that is left."""

import numpy as np
import pytest
from hypothesis import given
from strategies import World, worlds

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import PageGrammar
from genpage.promise import DEPTHS, PROMISES, Promises, in_order, means
from genpage.request import PageRequest
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends


def naive(worth: list[float], depth: int) -> float:
    """The mean of the best so many."""
    best = sorted(worth, reverse=True)[:depth]
    return sum(best) / len(best)


def walk(grammar: PageGrammar, worth: np.ndarray, seed: int, rows: int) -> int:
    """Open rows and fill them at random; at each the promises must be the plain ones."""
    chance, promises = np.random.default_rng(seed), Promises(worth)
    opened = 0
    while opened < rows and len(allowed := grammar.allowed_rows()):
        found = promises.of(grammar, allowed)
        for line, row in zip(found, allowed.tolist(), strict=True):
            left = worth[grammar.left_for(row)].tolist()
            assert line == pytest.approx([naive(left, depth) for depth in DEPTHS], abs=1e-5)
        grammar.open_row(int(chance.choice(allowed)))
        titles = grammar.allowed_entities()
        # Mostly the best, so that what was looked at before is used up.
        order = titles[np.argsort(-worth[titles] + chance.normal(0, 0.1, len(titles)))]
        grammar.extend(order[: grammar.room].tolist())
        opened += 1
    return opened


@given(worlds())
def test_promises_follow_the_page_in_any_world(world: World) -> None:
    """Whatever the rules leave to a row, its promises are means over its best titles."""
    grammar = PageGrammar.start(
        world.catalog, Rules.default(), world.context, world.request, world.trends
    )
    worth = np.random.default_rng(1).normal(size=len(world.catalog.entities)).astype(np.float32)
    walk(grammar, worth, 2, 6)


def test_a_row_whose_best_titles_are_used_up_is_looked_at_again() -> None:
    """Ten full rows of one pool: two hundred titles go, far more than are kept in order."""
    films = [Entity(f"e{n}", "film", f"Film {n}") for n in range(400)]
    catalog = Catalog.build(films, [Row(f"r{n}", "browse", f"Row {n}") for n in range(12)])
    request = PageRequest("u", 0.0)
    grammar = PageGrammar.start(
        catalog, Rules.default(), Context("u"), request, Trends.none(catalog)
    )
    worth = np.random.default_rng(0).normal(size=400).astype(np.float32)
    assert walk(grammar, worth, 3, 10) == 10


def test_a_row_without_titles_promises_nothing() -> None:
    """Zeros, not a division by none."""
    assert means(np.zeros(0, np.float32)).tolist() == [0.0] * PROMISES


def test_titles_stand_in_the_order_of_a_stable_sort() -> None:
    """Equals by index, zeros of both signs among them, infinities at the ends."""
    chance = np.random.default_rng(5)
    for size in (0, 1, 3_000):
        worth = chance.choice(
            np.array([0.0, -0.0, 1.5, -1.5, 1e-40, np.inf, -np.inf], np.float32), size
        )
        assert (in_order(worth) == np.argsort(-worth, kind="stable")).all()
        worth = chance.normal(size=size).astype(np.float32)
        assert (in_order(worth) == np.argsort(-worth, kind="stable")).all()


def test_a_rare_rows_titles_are_found_behind_the_best_of_all() -> None:
    """Three rows of 5,000 titles: one of each, one of the worst, one of a few in between."""
    films = [Entity(f"e{n}", "film", f"Film {n}") for n in range(5_000)]
    worth = np.random.default_rng(0).normal(size=5_000).astype(np.float32)
    order = np.argsort(-worth)
    chosen = {"all": order, "worst": order[-100:], "few": order[::700]}
    rows = [
        Row(name, "editorial", name, entity_ids=tuple(f"e{n}" for n in titles))
        for name, titles in chosen.items()
    ]
    catalog = Catalog.build(films, rows)
    grammar = PageGrammar(catalog, Rules.default(), catalog.rows_at(0.0), 5)
    assert walk(grammar, worth, 1, 3) == 3
