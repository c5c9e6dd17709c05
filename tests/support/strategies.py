"""Small random catalogs, members and requests that exercise every rule.

Each is a pure function of a seed, which Hypothesis draws: drawing every field would be a hundred
times slower and shrink no better.
"""

import random
from dataclasses import dataclass

from hypothesis import strategies as st

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.context import Context, apply_event, apply_profile
from genpage.entity import ENTITY_KINDS, Entity
from genpage.event import ACTIONS, Event
from genpage.profile import PROFILE_TYPES, Profile
from genpage.request import DEVICES, PageRequest
from genpage.row import Row, Where
from genpage.trends import TrendCounter, Trends

NOW = 1_700_000_000.0
GENRES = ("Drama", "Horror", "Comedy", "Family")
COUNTRIES = ("US", "KR", "BR")


@dataclass(frozen=True, slots=True)
class World:
    """A catalog, a member and what the member asks for."""

    catalog: Catalog
    context: Context
    request: PageRequest
    trends: Trends
    chance: random.Random


def worlds() -> st.SearchStrategy[World]:
    """Any `World`; small seeds make small catalogs, so that shrinking helps."""
    return st.integers(0, 2**20).map(world)


def world(seed: int) -> World:
    """The `World` of a seed."""
    chance = random.Random(seed)
    catalog = random_catalog(chance, size=chance.randint(0, 4 if seed < 100 else 30))
    context = random_context(chance, catalog)
    return World(catalog, context, random_request(chance), random_trends(chance, catalog), chance)


def random_catalog(chance: random.Random, size: int) -> Catalog:
    """``size`` entities under every kind of row."""
    things = [random_entity(chance, number) for number in range(size)]
    listed = tuple(entity.id for entity in things[:5])
    rows = [
        Row("continue", "continue", "Continue watching", pinned_position=0),
        Row("because", "because", "Because you watched"),
        Row("my_list", "my_list", "My list"),
        Row("trending", "trending", "Trending now"),
        Row("all", "browse", "Everything"),
        Row("drama", "genre", "Drama", where=Where(genres_all=("Drama",))),
        Row("mixed", "genre", "Mixed", where=Where(genres_any=("Comedy", "Family"))),
        Row("films", "kind", "Films", where=Where(kinds=("film", "live"))),
        Row("old", "decade", "The nineties", where=Where(year_from=1990, year_to=1999)),
        Row("new", "new", "New", where=Where(released_within_days=10.0)),
        Row("korean", "language", "Korean", where=Where(languages=("ko",))),
        Row("editors", "editorial", "Chosen", entity_ids=listed, pinned_position=2),
    ]
    return Catalog.build(things, rows)


def random_entity(chance: random.Random, number: int) -> Entity:
    """One entity with any combination of limits, most of them absent."""

    def moment(first: int, last: int) -> float | None:
        if chance.random() < 0.7:
            return None
        return NOW + chance.randint(first, last) * SECONDS_A_DAY

    return Entity(
        id=f"e{number}",
        kind=chance.choice(ENTITY_KINDS),
        title=f"Title {number}",
        genres=tuple(chance.sample(GENRES, chance.randint(0, 2))),
        year=chance.choice((None, 1990, 1999, 2000, 2026)),
        languages=tuple(chance.sample(("en", "ko"), chance.randint(0, 1))),
        countries=tuple(chance.sample(COUNTRIES, chance.choice((0, 0, 1, 2)))),
        maturity=chance.choice((0, 0, 7, 16, 18)),
        released_at=moment(-20, 5),
        available_from=moment(-20, 1),
        available_until=moment(0, 20),
        duration_s=chance.choice((None, 5400.0)),
        live_from=moment(-1, 1),
        live_until=moment(0, 1),
    )


def random_context(chance: random.Random, catalog: Catalog) -> Context:
    """A member, known or not, with a few events before and after now."""
    context = Context("member")
    if chance.random() < 0.7:
        profile = Profile(
            "member",
            profile_type=chance.choice(PROFILE_TYPES),
            country=chance.choice((None, *COUNTRIES)),
            maturity=chance.choice((0, 7, 18, 18)),
        )
        context = apply_profile(context, profile)
    ids = [*catalog.entity_positions, "gone"]
    for number in range(chance.randint(0, 12)):
        event = Event(
            event_id=f"v{number}",
            user_id="member",
            entity_id=chance.choice(ids),
            action=chance.choice(ACTIONS),
            ts=NOW + chance.randint(-100, 10) * 3600.0,
            duration_s=chance.choice((None, 60.0, 5400.0)),
        )
        context = apply_event(context, event)
    return context


def random_request(chance: random.Random) -> PageRequest:
    """A small page for any device."""
    return PageRequest(
        "member",
        NOW,
        rows=chance.randint(1, 6),
        entities_per_row=chance.randint(1, 4),
        device=chance.choice(DEVICES),
        locale=chance.choice((None, "en", "ko-KR")),
        exclude=frozenset(chance.sample(("e1", "e2", "nowhere"), chance.randint(0, 2))),
    )


def random_trends(chance: random.Random, catalog: Catalog) -> Trends:
    """Decayed counts of a random half of the catalog."""
    counter = TrendCounter(catalog)
    for entity in catalog.entities:
        if chance.random() < 0.5:
            counter.add(entity.id, chance.random() * 1e6)
    return counter.snapshot()
