"""A made-up catalog of any size, for networks of random weights to be measured on."""

import random

from genpage.catalog import Catalog
from genpage.entity import ENTITY_KINDS, Entity
from genpage.errors import UsageError
from genpage.row import Row, Where

# A row's genre is the only one of every second title of its share, so that what other rows take
# never leaves it with fewer than a page's 20.
TITLES_A_GENRE = 40
_ADJECTIVES = (
    *("Amber", "Broken", "Crimson", "Distant", "Electric", "Fading", "Golden", "Hidden"),
    *("Iron", "Jade", "Last", "Midnight", "Northern", "Open", "Paper", "Quiet"),
)
_NOUNS = (
    *("Anchor", "Bridge", "Compass", "Door", "Empire", "Forest", "Garden", "Harbour"),
    *("Island", "Journey", "Kingdom", "Lantern", "Mirror", "Night", "Ocean", "Promise"),
)
_FIRST_YEAR, _YEARS = 1960, 66


def invented_catalog(entities: int, rows: int, *, seed: int = 0) -> Catalog:
    """That many titles and rows; a row of each genre, and further rows of the same genres.

    From 400 titles and 10 rows on, a page of 10 rows of 20 can be filled whatever is chosen.
    """
    if entities < 1 or rows < 1:
        raise UsageError("--vocab-entities and --vocab-rows must both be above 0")
    chance = random.Random(seed)
    genres = [f"Genre {n}" for n in range(1, min(rows, max(1, entities // TITLES_A_GENRE)) + 1)]
    return Catalog.build(
        [_title(number, genres, chance) for number in range(entities)],
        [
            Row(
                id=f"row-{number}",
                kind="genre",
                title=f"{genres[number % len(genres)]}, shelf {number // len(genres) + 1}",
                where=Where(genres_any=(genres[number % len(genres)],)),
            )
            for number in range(rows)
        ],
    )


def _title(number: int, genres: list[str], chance: random.Random) -> Entity:
    place, genre = divmod(number, len(genres))
    held = [genres[genre]]
    if place % 2:
        held.append(chance.choice(genres))
    adjective, noun = chance.choice(_ADJECTIVES), chance.choice(_NOUNS)
    return Entity(
        id=f"title-{number}",
        kind=ENTITY_KINDS[number % 2],
        title=f"{adjective} {noun} {number}",
        synopsis=f"{chance.choice(_ADJECTIVES)} {chance.choice(_NOUNS)}, {held[0].lower()}.",
        genres=tuple(dict.fromkeys(held)),
        year=_FIRST_YEAR + chance.randrange(_YEARS),
        duration_s=5400.0,
    )
