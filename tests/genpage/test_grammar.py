"""The masks against the plain-Python audit: they must agree on every page and every entity."""

import random
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lookahead import forked
from strategies import World, worlds

from genpage.audit import violations
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.grammar import PageGrammar
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.row import Row
from genpage.rules import Rules
from genpage.trends import Trends

LOOSE = """
schema = 1
[page]
unique_entities = false
minimum_pinned = 2
[row_kinds.genre]
per_page = 1
[pins]
all = 1
"""
PINNED_AND_LIMITED = """
schema = 1
[row_kinds.genre]
per_page = 1
[row_kinds.browse]
per_page = 1
[pins]
drama = 1
all = 3
"""
STRICT = """
schema = 1
[without_profile]
profile_type = "kid"
maturity = 7
[profiles.kid]
exclude_genres = ["Horror"]
"""
# Pins, limits and looseness in many combinations, each a legal file.
MIXED = tuple(
    f"""
schema = 1
[page]
unique_entities = {entities}
unique_rows = {rows}
minimum_pinned = {least}
[row_kinds.{kind}]
per_page = {limit}
[pins]
{pin} = {place}
"""
    for entities, rows, least, kind, limit, pin, place in (
        ("true", "false", 1, "genre", 2, "drama", 0),
        ("false", "false", 3, "kind", 1, "films", 1),
        ("true", "true", 2, "genre", 1, "mixed", 2),
        ("false", "true", 1, "trending", 1, "trending", 3),
    )
)
RULES = (Rules.default(), *map(Rules.parse, (LOOSE, PINNED_AND_LIMITED, STRICT, *MIXED)))


def start(world: World, rules: Rules = RULES[0]) -> PageGrammar:
    """An empty page in this world."""
    return PageGrammar.start(world.catalog, rules, world.context, world.request, world.trends)


def audit(page: Page, world: World, rules: Rules, shown: Page | None = None) -> list[object]:
    """What the audit says of a page in this world."""
    world_of = (world.catalog, rules, world.context, world.request, world.trends)
    return list(violations(page, *world_of, shown=shown))


def written(grammar: PageGrammar) -> Page:
    """The grammar's finished rows by ids."""
    catalog = grammar.catalog
    return Page(
        tuple(
            PageRow(catalog.rows[done.row].id, tuple(catalog.entities[e].id for e in done.entities))
            for done in grammar.rows
        )
    )


def write_row(grammar: PageGrammar, chance: random.Random) -> bool:
    """Write one row of arbitrary allowed choices; False when the page is exhausted."""
    rows = grammar.allowed_rows()
    if not rows.size:
        return False
    grammar.open_row(chance.choice(rows.tolist()))
    while grammar.room:
        grammar.add(chance.choice(grammar.allowed_entities().tolist()))
    return True


@given(worlds(), st.sampled_from(RULES))
def test_no_page_breaks_a_rule(world: World, rules: Rules) -> None:
    """Whatever is chosen among the allowed, the audit finds nothing."""
    grammar = start(world, rules)
    while len(grammar.rows) < world.request.rows and write_row(grammar, world.chance):
        pass
    assert audit(written(grammar), world, rules) == []


@given(worlds(), st.sampled_from(RULES))
def test_the_mask_allows_exactly_what_the_audit_allows(world: World, rules: Rules) -> None:
    """An entity is allowed in a row exactly where placing it would break no rule of its own."""
    grammar = start(world, rules)
    for _ in range(world.chance.randrange(3)):
        write_row(grammar, world.chance)
    shown = written(grammar)
    rows = grammar.allowed_rows()
    if not rows.size:
        return
    row = world.chance.choice(rows.tolist())
    grammar.open_row(row)
    allowed = set(grammar.allowed_entities().tolist())
    for index, entity in enumerate(world.catalog.entities):
        page = Page((PageRow(world.catalog.rows[row].id, (entity.id,)),))
        broken = violations(
            page, world.catalog, rules, world.context, world.request, world.trends, shown=shown
        )
        of_its_own = {v.rule for v in broken if v.detail == entity.id}
        assert (index in allowed) == (not of_its_own), of_its_own


@given(worlds(), st.sampled_from(RULES))
def test_a_row_may_open_exactly_where_the_audit_finds_its_place(world: World, rules: Rules) -> None:
    """A row that the grammar keeps shut would break a placement rule or could not be filled."""
    grammar = start(world, rules)
    for _ in range(world.chance.randrange(3)):
        write_row(grammar, world.chance)
    shown = written(grammar)
    open_to = set(grammar.allowed_rows().tolist())
    for row in range(len(world.catalog.rows)):
        twin = forked(grammar)
        if row in open_to:
            twin.open_row(row)
            while twin.room:
                twin.add(world.chance.choice(twin.allowed_entities().tolist()))
            page = Page(written(twin).rows[len(shown.rows) :])
            assert audit(page, world, rules, shown) == []
        else:
            page = Page((PageRow(world.catalog.rows[row].id, ()),))
            broken = violations(
                page, world.catalog, rules, world.context, world.request, world.trends, shown=shown
            )
            assert broken


@given(worlds(), st.sampled_from(RULES))
def test_a_continued_page_goes_on_as_if_never_broken(world: World, rules: Rules) -> None:
    """Replaying the rows shown so far gives the state that writing them gave."""
    grammar = start(world, rules)
    write_row(grammar, world.chance)
    again = start(world, rules)
    again.replay(grammar.rows)
    assert again.rows == grammar.rows
    assert np.array_equal(again.allowed_rows(), grammar.allowed_rows())
    for row in grammar.allowed_rows().tolist():
        parted = forked(grammar), forked(again)
        for twin in parted:
            twin.open_row(row)
        left, right = (twin.allowed_entities() for twin in parted)
        assert np.array_equal(left, right)


@given(worlds(), st.sampled_from(RULES))
def test_many_at_once_are_one_after_another(world: World, rules: Rules) -> None:
    """`extend` leaves the page as `add` of each leaves it, row after row."""
    at_once, singly = start(world, rules), start(world, rules)
    for _ in range(6):
        if not len(at_once.allowed_rows()):
            break
        row = int(world.chance.choice(at_once.allowed_rows().tolist()))
        for grammar in (at_once, singly):
            grammar.open_row(row)
        fill = world.chance.sample(at_once.allowed_entities().tolist(), at_once.room)
        at_once.extend(fill)
        for entity in fill:
            singly.add(entity)
        assert at_once.rows == singly.rows
        assert at_once.room == singly.room == 0
        assert np.array_equal(at_once.allowed_rows(), singly.allowed_rows())


@given(worlds())
def test_more_than_a_row_takes_is_refused(world: World) -> None:
    """Neither a title twice nor one more than there is room for; nothing at all is nothing."""
    grammar = start(world)
    if not len(grammar.allowed_rows()):
        return
    grammar.open_row(int(grammar.allowed_rows()[0]))
    allowed = grammar.allowed_entities().tolist()
    wrong = [[allowed[0]] * 2, [*allowed[: grammar.room], allowed[0]], [*allowed, *allowed]]
    for entities in wrong:
        with pytest.raises(ValueError, match="bug"):
            grammar.extend(entities)
    grammar.extend([])
    assert grammar.allowed_entities().tolist() == allowed


@given(worlds())
def test_what_stands_is_counted_row_by_row_and_title_by_title(world: World) -> None:
    """As a page continued behind the same rows counts it, and as its copies do."""
    page = start(world)
    count = 0
    while len(page.allowed_rows()) and len(page.rows) < 3:
        again = start(world)
        again.replay(page.rows)
        assert (page.standing, again.standing) == (count, count)
        page.open_row(int(page.allowed_rows()[0]))
        count += 1
        while page.room:
            assert (page.standing, page.fork().standing) == (count, count)
            page.add(int(page.allowed_entities()[0]))
            count += 1
    assert page.standing == count == sum(1 + len(row.entities) for row in page.rows)


@given(worlds())
def test_a_choice_outside_the_allowed_is_refused(world: World) -> None:
    """The grammar itself refuses what it did not offer."""
    grammar = start(world)
    for row in set(range(len(world.catalog.rows))) - set(grammar.allowed_rows().tolist()):
        with pytest.raises(ValueError, match="bug"):
            grammar.open_row(row)
    with pytest.raises(ValueError, match="bug"):
        grammar.add(0)


def test_an_empty_catalog_exhausts_at_once() -> None:
    """No entity at all is an exhausted page, not an error."""
    catalog = Catalog.build([], [])
    grammar = PageGrammar.start(
        catalog, RULES[0], Context("member"), PageRequest("member", 0.0), Trends.none(catalog)
    )
    assert grammar.allowed_rows().size == 0
    assert grammar.allowed_entities().size == 0


@given(worlds())
def test_excluding_everything_exhausts_the_page(world: World) -> None:
    """A request that excludes the whole catalog gets no row."""
    request = replace(world.request, exclude=frozenset(world.catalog.entity_positions))
    assert start(replace(world, request=request)).allowed_rows().size == 0


def test_a_copy_takes_no_room_by_rows_times_titles() -> None:
    """Drafting copies a page at each pass: who may stand where is shared, and changed by nobody."""
    films = [Entity(f"e{n}", "film", f"F{n}") for n in range(10_000)]
    catalog = Catalog.build(films, [Row(f"r{n}", "browse", f"R{n}") for n in range(100)])
    at = PageRequest("m", 0.0, rows=5, entities_per_row=20)
    page = PageGrammar.start(catalog, Rules.default(), Context("m"), at, Trends.none(catalog))
    page.open_row(3)
    page.extend([5, 6])
    tracemalloc.start()
    try:
        copy = page.fork()
        copy.extend(range(7, 25))
        copy.open_row(4)
        copy.extend(range(30, 50))
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert page.placed == (5, 6)
    assert set(range(7, 50)) <= set(page.allowed_entities().tolist())
    assert not {5, 6, 7, 49} & set(copy.left_for(9).tolist())
