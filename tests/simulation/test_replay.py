"""Pages simulated over real events: consistent, never from the future, and marked."""

import random
from collections import Counter

import polars as pl
import pytest

from dataset.movietweetings import derived_rows
from dataset.schema import IMPRESSIONS
from genpage.audit import violations
from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.event import Event
from genpage.page import Page, PageRow
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from simulation.replay import COLUMNS, ROWS, SITTING_S, replay, sittings

START = 1_362_062_307.0
GENRES = ("Drama", "Comedy", "Horror", "Action")


def service() -> tuple[Catalog, list[Event]]:
    """1,200 titles, some released while 40 members act."""
    chance = random.Random(0)
    entities = [
        Entity(
            f"tt{number:07d}",
            "film",
            f"Film {number}",
            genres=tuple(chance.sample(GENRES, 2)),
            year=1965 + number % 49,
            released_at=START + chance.uniform(-300, 5) * SECONDS_A_DAY,
        )
        for number in range(1200)
    ]
    events = []
    for number in range(400):
        ts = START + number * SECONDS_A_DAY / 80
        entity = chance.choice([e for e in entities if (e.released_at or 0) <= ts])
        user = f"u{chance.randrange(40)}"
        events.append(Event(f"e{number}", user, entity.id, "thumbs_up", ts))
    return Catalog.build(entities, derived_rows(entities)), events


@pytest.fixture(scope="module")
def shown() -> tuple[Catalog, list[Event], pl.DataFrame]:
    """All pages of the service."""
    catalog, events = service()
    return catalog, events, pl.concat([frame for _, frame in replay(catalog, events, pages=1000)])


def test_a_sitting_ends_with_a_long_pause() -> None:
    """Twelve hours without an event begin a new one; what came before is remembered."""
    times = (0.0, 60.0, 60.0 + SITTING_S, 61.0 + SITTING_S)
    events = [Event(f"e{n}", "u", "x", "play", ts) for n, ts in enumerate(times)]
    found = sittings(events)
    assert [len(one.events) for one in found] == [2, 2]
    assert [len(one.earlier) for one in found] == [0, 2]


def test_the_table_is_in_the_layout(shown: tuple[Catalog, list[Event], pl.DataFrame]) -> None:
    """Whole pages of ten rows of twenty, marked as simulated, with propensities in (0, 1]."""
    _, _, frame = shown
    assert frame.schema == IMPRESSIONS.schema
    assert frame["simulated"].all()
    assert frame["propensity"].is_between(0, 1, closed="right").all()
    sizes = frame.group_by("page_id").len()["len"].unique().to_list()
    assert sizes == [ROWS * COLUMNS]


def test_what_was_done_stands_on_the_page_and_was_seen(
    shown: tuple[Catalog, list[Event], pl.DataFrame],
) -> None:
    """Each title of a sitting has a place on its page, with the act; nothing else has one."""
    _, events, frame = shown
    acted = Counter(frame.filter(pl.col("action").is_not_null())["entity_id"])
    expected = Counter(
        entity for one in sittings(events) for entity in {e.entity_id for e in one.events}
    )
    assert acted == expected
    assert frame.filter(pl.col("action").is_not_null())["seen"].all()


def test_pages_keep_their_rows_conditions_and_the_clock(
    shown: tuple[Catalog, list[Event], pl.DataFrame],
) -> None:
    """The audit finds no title out of its category, unreleased or repeated."""
    catalog, _, frame = shown
    own = {"because", "my_list", "trending", "continue"}  # filled from more than the catalog
    for (page_id,), lines in frame.group_by("page_id"):
        rows = tuple(
            PageRow(str(row_id), tuple(group["entity_id"]))
            for (_, row_id), group in lines.group_by("row_pos", "row_id", maintain_order=True)
        )
        request = PageRequest("u", float(lines["ts"][0]), rows=ROWS, entities_per_row=COLUMNS)
        found = violations(
            Page(rows), catalog, Rules.default(), Context("u"), request, Trends.none(catalog)
        )
        strange = [
            v
            for v in found
            if v.rule != "category"
            or catalog.rows[catalog.row_positions[rows[v.row].row_id]].kind not in own
        ]
        assert not strange, page_id


def test_the_same_seed_gives_the_same_pages() -> None:
    """Pages are a function of the events and the seed."""
    catalog, events = service()
    once, again, other = (
        pl.concat([frame for _, frame in replay(catalog, events, pages=20, seed=seed)])
        for seed in (3, 3, 4)
    )
    assert once.equals(again)
    assert not once.equals(other)


def test_people_act_where_they_look(shown: tuple[Catalog, list[Event], pl.DataFrame]) -> None:
    """The logging policy is position-aware: acts stand higher and further left than titles do."""
    _, _, frame = shown
    acted = frame.filter(pl.col("action").is_not_null())
    assert acted["col_pos"].cast(pl.Float64).mean() < COLUMNS / 2 - 1  # type: ignore[operator]
