"""The synthetic catalog: readable, valid, and able to fill a page for anybody."""

import re
from itertools import product

import numpy as np
import pytest
from lookahead import forked

from genpage.catalog import SECONDS_A_DAY
from genpage.context import Context
from genpage.grammar import PageGrammar
from genpage.profile import Profile
from genpage.request import Device, PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from simulation.library import Library
from simulation.motifs import MOTIFS
from simulation.settings import Settings

SETTINGS = Settings()
TIMES = {
    "first second": SETTINGS.start + 1,
    "in the middle": SETTINGS.start + 14.4 * SECONDS_A_DAY,
    "at the end": SETTINGS.end,
    "ten months later": SETTINGS.end + 300 * SECONDS_A_DAY,
}
ROWS, COLUMNS = 14, 20
PROFILES: tuple[Profile | None, ...] = (
    None,  # a member nobody knows
    Profile("kid", "ko", "kid", None, 0),
    Profile("kid", "en", "kid", "US", 7),
    Profile("teen", None, "teen", "XX", 12),
    Profile("adult", "hi", "adult", "IN", 18),
    Profile("strict", "de", "adult", None, 0),
)


def start(library: Library, profile: Profile | None, at: float, device: Device) -> PageGrammar:
    """An empty page of the hardest kind: nothing is trending, nothing was watched."""
    context = Context("anybody", profile)
    request = PageRequest("anybody", at, rows=ROWS, entities_per_row=COLUMNS, device=device)
    none = Trends.none(library.catalog)
    return PageGrammar.start(library.catalog, Rules.default(), context, request, none)


def wide_rows(page: PageGrammar) -> int:
    """How many rows hold enough that nothing placed in 13 others can starve them."""
    needed = ROWS * COLUMNS
    counts = []
    for row in page.allowed_rows():
        twin = forked(page)
        twin.open_row(int(row))
        counts.append(len(twin.allowed_entities()))
    return sum(count >= needed for count in counts)


@pytest.mark.parametrize("moment", TIMES)
def test_fourteen_rows_cannot_be_starved(library: Library, moment: str) -> None:
    """Fourteen rows hold 14 x 20 titles each for anybody, so any choice leaves one to open."""
    devices: tuple[Device, ...] = ("tv", "phone")
    for profile, device in product(PROFILES, devices):
        assert wide_rows(start(library, profile, TIMES[moment], device)) >= ROWS, profile


@pytest.mark.parametrize("moment", TIMES)
@pytest.mark.parametrize("profile", PROFILES)
def test_an_adversary_cannot_exhaust_a_page(
    library: Library, profile: Profile | None, moment: str
) -> None:
    """Widest row first, and in it the titles that most other rows could use: still 14 rows."""
    page = start(library, profile, TIMES[moment], "tv")
    use = page_use(library, TIMES[moment])
    for _ in range(ROWS):
        rows = page.allowed_rows()
        assert len(rows), f"exhausted after {len(page.rows)} rows"
        page.open_row(int(rows[np.argmax(use["width"][rows])]))
        while page.room:
            allowed = page.allowed_entities()
            page.add(int(allowed[np.argmax(use["demand"][allowed])]))
    placed = [entity for row in page.rows for entity in row.entities]
    assert len(placed) == len(set(placed)) == ROWS * COLUMNS


def page_use(library: Library, at: float) -> dict[str, np.ndarray]:
    """How wide each row is, and in how many rows each title could stand."""
    members = library.catalog.rows_at(at)
    return {"width": members.sum(axis=1), "demand": members.sum(axis=0)}


def test_titles_are_distinct_and_readable(library: Library) -> None:
    """No two titles are equal; each is words that begin with a capital, of a bearable length."""
    titles = [entity.title for entity in library.catalog.entities]
    assert len(set(titles)) == len(titles)
    for title in titles:
        assert re.fullmatch(r"[A-Z][\w'&:, -]*", title), title
        assert 4 < len(title) < 60, title


def test_synopses_are_sentences_without_holes(library: Library) -> None:
    """A synopsis is two sentences, and no placeholder was left in it."""
    for entity in library.catalog.entities:
        assert entity.synopsis.count(".") == 2
        assert not set("{}|") & set(entity.synopsis + entity.title)


def test_all_kinds_and_most_motifs_occur(library: Library) -> None:
    """Shows, films, games and live events; every motif has titles."""
    kinds = {entity.kind for entity in library.catalog.entities}
    assert kinds == {"show", "film", "game", "live"}
    used = {library.strands[index].motif.name for index in library.strand}
    assert len(used) >= 0.9 * len(MOTIFS)


def test_something_is_released_every_day(library: Library) -> None:
    """Every simulated day has releases, and the whole month is a share of the catalog."""
    day = np.floor((library.catalog.released_at - SETTINGS.start) / SECONDS_A_DAY)
    released = np.bincount(day[(day >= 0) & (day < SETTINGS.days)].astype(int))
    assert len(released) == SETTINGS.days
    assert released.min() >= 3
    assert 0.1 < released.sum() / SETTINGS.entities < 0.25


def test_strands_share_what_near_duplicates_share(library: Library) -> None:
    """Titles of a strand share their motif's genres and their place."""
    for entity, index in zip(library.catalog.entities, library.strand, strict=True):
        strand = library.strands[index]
        assert set(strand.motif.genres) <= set(entity.genres)
        assert strand.place in entity.synopsis


def test_rows_are_thirty_to_forty(library: Library) -> None:
    """As many rows as promised; the pinned one is at the top."""
    rows = library.catalog.rows
    assert 30 <= len(rows) <= 40
    assert [row.kind for row in rows if row.pinned_position == 0] == ["continue"]
