"""A made-up catalog fills pages."""

import random

import pytest

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.errors import UsageError
from genpage.grammar import PageGrammar
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from training.invented import invented_catalog


def page_rows(catalog: Catalog, seed: int) -> int:
    """Rows of 20 on a page whose rows and entities are chosen at random."""
    chance = random.Random(seed)
    request = PageRequest("u", at=1.7e9, rows=10, entities_per_row=20)
    grammar = PageGrammar.start(
        catalog, Rules.default(), Context("u"), request, Trends.none(catalog)
    )
    while len(grammar.rows) < 10 and len(allowed := grammar.allowed_rows()):
        grammar.open_row(int(chance.choice(allowed)))
        while grammar.room:
            grammar.add(int(chance.choice(grammar.allowed_entities())))
    return len(grammar.rows)


@pytest.mark.parametrize(("entities", "rows"), [(400, 10), (500, 25), (3000, 12)])
@pytest.mark.parametrize("seed", range(3))
def test_a_page_of_10_x_20_can_always_be_filled(entities: int, rows: int, seed: int) -> None:
    """Whatever is chosen, ten rows of twenty can be placed."""
    assert page_rows(invented_catalog(entities, rows), seed) == 10


@pytest.mark.parametrize(("entities", "rows"), [(1, 1), (7, 30), (120, 3)])
def test_it_has_as_many_titles_and_rows_as_asked(entities: int, rows: int) -> None:
    """Also where there are too few for a page."""
    catalog = invented_catalog(entities, rows)
    assert (len(catalog.entities), len(catalog.rows)) == (entities, rows)


def test_the_seed_decides() -> None:
    """The same seed gives the same catalog, another one another."""
    assert invented_catalog(50, 5, seed=1).version == invented_catalog(50, 5, seed=1).version
    assert invented_catalog(50, 5, seed=1).version != invented_catalog(50, 5, seed=2).version


def test_none_is_refused() -> None:
    """A catalog of nothing is a usage error."""
    with pytest.raises(UsageError, match="vocab"):
        invented_catalog(0, 5)
