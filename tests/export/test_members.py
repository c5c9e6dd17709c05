"""Made-up members: the same each time, within the catalog, with pages to show."""

from collections.abc import Sequence

import pytest
from tiny import tiny_catalog

from export.members import evening_after, made_up_members
from genpage.catalog import Catalog
from genpage.context import apply_event
from genpage.grammar import PageGrammar
from genpage.rules import Rules
from genpage.trends import Trends
from model.trained_on import TrainedOn
from runtime.cases import Member


def made(catalog: Catalog, seed: int = 0) -> Sequence[Member]:
    """The members of a catalog where nothing is trending."""
    trends = Trends.none(catalog)
    at = evening_after(catalog, None)
    return made_up_members(catalog, Rules.default(), trends, at, seed=seed)


def test_the_same_seed_makes_the_same_members() -> None:
    """And another one others."""
    catalog = tiny_catalog()
    assert made(catalog) == made(catalog)
    assert made(catalog, seed=1) != made(catalog)


def test_their_histories_are_what_a_store_would_hold() -> None:
    """Events in order, before the request, none twice: folding them changes nothing."""
    for member in made(tiny_catalog()):
        context, at = member.context, member.request.at
        times = [event.ts for event in context.events]
        assert times == sorted(times)
        assert all(ts <= at for ts in times)
        assert len({event.event_id for event in context.events}) == len(times)
        assert context.known == (context.profile is not None)
        if context.events:
            assert apply_event(context, context.events[-1]) is context


def test_every_kind_of_prompt_is_among_them() -> None:
    """A newcomer, a child, a history longer than the raw window."""
    members = {member.name: member for member in made(tiny_catalog())}
    assert not members["newcomer"].context.known
    assert members["child"].context.profile is not None
    assert len(members["devotee"].context.events) > 512 / 4


@pytest.mark.parametrize("entities", [61, 24])
def test_a_page_has_something_to_show(entities: int) -> None:
    """Rows are as wide as a catalog of that size fills."""
    catalog = tiny_catalog(entities)
    trends = Trends.none(catalog)
    for member in made(catalog):
        grammar = PageGrammar.start(
            catalog, Rules.default(), member.context, member.request, trends
        )
        assert len(grammar.allowed_rows())


def test_an_empty_catalog_has_members_all_the_same() -> None:
    """They have watched nothing."""
    members = made(Catalog.build([], []))
    assert not any(member.context.events for member in members)


def test_they_ask_on_the_evening_after_training() -> None:
    """20 h UTC on the day after the last one."""
    assert evening_after(tiny_catalog(), TrainedOn("2013-08-01", "2013-08-31")) == 1_378_065_600.0
