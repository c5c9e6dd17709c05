"""Eligible sets that are kept: the pages that sets made for each page alone would give."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import NOW, World, worlds

from genpage.audience import Audience, Audiences
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.context import Context
from genpage.eligibility import Viewer, eligible, offered
from genpage.entity import Entity
from genpage.grammar import PageGrammar
from genpage.member_rows import member_row
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.row import MEMBER_ROW_KINDS, Row, Where
from genpage.rules import Rules
from genpage.trends import Trends

RULES = (
    Rules.default(),
    Rules.parse("schema = 1\n[page]\nunique_entities = false\nunique_rows = false"),
)


def naive(world: World, rules: Rules) -> PageGrammar:
    """The slow twin: one matrix over the whole catalog, made for this page."""
    catalog, request = world.catalog, world.request
    context = world.context.before(request.at)
    members = catalog.rows_at(request.at)
    for index, row in enumerate(catalog.rows):
        if row.entity_ids is None and row.kind in MEMBER_ROW_KINDS:
            members[index, list(member_row(row.kind, catalog, context, world.trends))] = True
    members &= eligible(catalog, rules, context, request)
    return PageGrammar(catalog, rules, members, request.entities_per_row)


def agree(fast: PageGrammar, slow: PageGrammar, world: World, rows: int) -> None:
    """Write the same rows on both, comparing all that they offer on the way."""
    every = np.arange(len(world.catalog.entities), dtype=np.int32)
    for _ in range(rows):
        opening = slow.allowed_rows()
        assert np.array_equal(fast.allowed_rows(), opening)
        assert np.array_equal(fast.may_show_of(opening, every), slow.may_show_of(opening, every))
        # It is asked of those alone that rows could show once.
        somewhere = np.flatnonzero(slow.may_show_of(opening, every).any(axis=0)).astype(np.int32)
        assert np.array_equal(fast.unused(somewhere), slow.unused(somewhere))
        for row in range(len(world.catalog.rows)):
            assert np.array_equal(fast.left_for(row), slow.left_for(row))
        if not len(opening):
            return
        row = int(world.chance.choice(opening.tolist()))
        fast.open_row(row)
        slow.open_row(row)
        while slow.room:
            assert fast.room == slow.room
            allowed = slow.allowed_entities()
            assert np.array_equal(fast.allowed_entities(), allowed)
            entity = int(world.chance.choice(allowed.tolist()))
            if world.chance.random() < 0.2:
                fast = fast.fork()
            fast.add(entity)
            slow.add(entity)
    assert fast.rows == slow.rows


@given(worlds(), st.sampled_from(RULES))
def test_kept_sets_offer_what_a_page_of_its_own_would(world: World, rules: Rules) -> None:
    """For the same member at several times, before and after the sets were made."""
    audiences = Audiences(world.catalog, rules)
    earlier = naive(world, rules)
    agree(naive(world, rules), earlier, world, 2)
    for _ in range(3):
        at = NOW + world.chance.choice((0.0, 1.0, 1.0, 3600.0, -SECONDS_A_DAY, 10 * SECONDS_A_DAY))
        exclude = frozenset(world.chance.sample(("e3", "e4", "nowhere"), 1))
        request = replace(world.request, at=at, exclude=exclude)
        then = replace(world, request=request)
        fast = PageGrammar.start(then.catalog, rules, then.context, request, then.trends, audiences)
        slow = naive(then, rules)
        # Rows that were shown may hold what is no longer eligible.
        for grammar in (fast, slow):
            grammar.replay(earlier.rows)
        agree(fast, slow, then, 4)


@given(worlds(), st.sampled_from(RULES))
def test_a_set_holds_until_something_comes_or_goes(world: World, rules: Rules) -> None:
    """Wherever it says that it holds, making it anew changes nothing."""
    catalog = world.catalog
    viewer = Viewer.of(catalog, rules, world.context, world.request)
    made = Audience.of(catalog, rules, viewer, NOW + world.chance.choice((0.0, 1.0)))
    for _ in range(10):
        at = NOW + world.chance.uniform(-30, 30) * SECONDS_A_DAY
        near = [each for each in (made.begins, made.ends) if np.isfinite(each)]
        if near and world.chance.random() < 0.5:
            at = world.chance.choice(near) + world.chance.choice((-0.01, 0.0, 0.01))
        if made.holds_at(at):
            anew = Audience.of(catalog, rules, viewer, at)
            assert np.array_equal(anew.members, made.members)
            assert np.array_equal(offered(catalog, rules, viewer, at), _whole(made, catalog))


def _whole(audience: Audience, catalog: Catalog) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if audience.entities is None:
        return audience.offered
    mask = np.zeros(len(catalog.entities), np.bool_)
    mask[audience.entities] = True
    return mask


def a_few_of_many() -> Catalog:
    """A hundred films, ten of which may be shown in Brazil, one of them from tomorrow."""
    films = [
        Entity(
            f"e{n}",
            "film",
            f"Film {n}",
            genres=("Drama",),
            countries=("BR",) if n % 10 == 0 else ("US",),
            available_from=NOW + SECONDS_A_DAY if n == 50 else None,
        )
        for n in range(100)
    ]
    return Catalog.build(films, [Row("drama", "genre", "Drama", Where(genres_all=("Drama",)))])


def test_a_small_set_is_held_by_places_and_made_once() -> None:
    """Two members alike share it until the licence begins; one abroad has another."""
    catalog, rules = a_few_of_many(), RULES[0]
    audiences = Audiences(catalog, rules)

    def page(country: str, at: float, user: str = "m") -> PageGrammar:
        context = Context(user, Profile(user, country=country))
        request = PageRequest(user, at, entities_per_row=5)
        return PageGrammar.start(catalog, rules, context, request, Trends.none(catalog), audiences)

    first, second = page("BR", NOW), page("BR", NOW + 3600.0, "n")
    assert first.audience is second.audience
    assert first.audience is not None
    assert first.audience.entities is not None
    assert first.audience.entities.tolist() == [0, 10, 20, 30, 40, 60, 70, 80, 90]
    later = page("BR", NOW + SECONDS_A_DAY + 1.0)
    assert later.left_for(0).tolist() == list(range(0, 100, 10))
    abroad = page("US", NOW).audience
    assert abroad is not None
    assert abroad.entities is None  # most of the catalog
    assert page("BR", NOW + SECONDS_A_DAY + 2.0).audience is later.audience


def test_what_is_kept_is_bounded() -> None:
    """A set that is larger than all that may be kept is made each time."""
    catalog, rules = a_few_of_many(), RULES[0]
    viewer = Viewer("BR", 18, None, None)
    kept = Audiences(catalog, rules)
    assert kept.at(viewer, NOW) is kept.at(viewer, NOW)
    none = Audiences(catalog, rules, most_bytes=kept.at(viewer, NOW).nbytes - 1)
    assert none.at(viewer, NOW) is not none.at(viewer, NOW)
