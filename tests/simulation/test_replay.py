"""Pages simulated over real events: consistent, never from the future, and marked."""

import math
import random
from collections import Counter
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
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
from simulation.replay import ReplayedDay, replay
from simulation.replay_policy import COLUMNS, ROWS, propensities
from simulation.sitting import SITTING_S, sittings

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


@dataclass(frozen=True)
class Shown:
    """All pages of the service."""

    catalog: Catalog
    events: list[Event]
    days: list[ReplayedDay]

    @property
    def frame(self) -> pl.DataFrame:
        """The impressions of all days."""
        return pl.concat([day.impressions for day in self.days])


@pytest.fixture(scope="module")
def shown() -> Shown:
    """All pages of the service."""
    catalog, events = service()
    return Shown(catalog, events, list(replay(catalog, events, pages=1000)))


def test_a_sitting_ends_with_a_long_pause() -> None:
    """Twelve hours without an event begin a new one; what came before is remembered."""
    times = (0.0, 60.0, 60.0 + SITTING_S, 61.0 + SITTING_S)
    events = [Event(f"e{n}", "u", "x", "play", ts) for n, ts in enumerate(times)]
    found = sittings(events)
    assert [len(one.events) for one in found] == [2, 2]
    assert [len(one.earlier) for one in found] == [0, 2]


def test_the_table_is_in_the_layout(shown: Shown) -> None:
    """Whole pages of ten rows of twenty, marked as simulated, with propensities in (0, 1]."""
    frame = shown.frame
    assert frame.schema == IMPRESSIONS.schema
    assert frame["simulated"].all()
    assert frame["propensity"].is_between(0, 1, closed="right").all()
    sizes = frame.group_by("page_id").len()["len"].unique().to_list()
    assert sizes == [ROWS * COLUMNS]


def test_what_was_done_stands_on_the_page_and_was_seen(
    shown: Shown,
) -> None:
    """Each title of a sitting has a place on its page, with the act; nothing else has one."""
    events, frame = shown.events, shown.frame
    acted = Counter(frame.filter(pl.col("action").is_not_null())["entity_id"])
    released = {e.id: e.released_at or 0.0 for e in shown.catalog.entities}
    expected = Counter(
        entity
        for one in sittings(events)
        for entity in {e.entity_id for e in one.events}
        if released[entity] < one.events[0].ts - 30
    )
    assert acted == expected
    assert frame.filter(pl.col("action").is_not_null())["seen"].all()


def test_pages_keep_their_rows_conditions_and_the_clock(
    shown: Shown,
) -> None:
    """The audit finds no title out of its category, unreleased or repeated."""
    catalog, frame = shown.catalog, shown.frame
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
        pl.concat([day.impressions for day in replay(catalog, events, pages=20, seed=seed)])
        for seed in (3, 3, 4)
    )
    assert once.equals(again)
    assert not once.equals(other)


def test_people_act_where_they_look(shown: Shown) -> None:
    """The logging policy is position-aware: acts stand higher and further left than titles do."""
    frame = shown.frame
    acted = frame.filter(pl.col("action").is_not_null())
    assert acted["col_pos"].cast(pl.Float64).mean() < COLUMNS / 2 - 1  # type: ignore[operator]


def test_an_act_and_its_impression_tell_the_same(shown: Shown) -> None:
    """Each impression with an action is the seat of one event, and each seat such an impression."""
    seats = {event_id: seat for day in shown.days for event_id, seat in day.seats.items()}
    told = [
        (seat.page_id, seat.row_pos, seat.col_pos, seat.row_id, e.entity_id, e.user_id, e.action)
        for e in shown.events
        if (seat := seats.get(e.event_id))
    ]
    keys = ["page_id", "row_pos", "col_pos", "row_id", "entity_id", "user_id", "action"]
    acted = shown.frame.drop_nulls("action").select(keys)
    assert told
    assert sorted(told) == sorted(acted.rows())
    assert len(told) == len(seats)


def test_the_first_act_of_a_title_has_the_seat() -> None:
    """A title rated twice in a sitting is on the page once, with the first rating."""
    catalog, _ = service()
    title = next(e.id for e in catalog.entities if (e.released_at or 0) < START)
    first = Event("first", "u", title, "thumbs_down", START + 100)
    second = replace(first, event_id="second", action="thumbs_up", ts=START + 200)
    (day,) = replay(catalog, [first, second], pages=1)
    assert list(day.seats) == ["first"]
    assert day.impressions["action"].drop_nulls().to_list() == ["thumbs_down"]
    assert day.unseated == 0


def test_a_title_released_by_the_sitting_itself_has_no_seat() -> None:
    """The page stood there before: it cannot hold the title, and the act is counted."""
    entities = [*service()[0].entities, Entity("late", "film", "Late", year=2013)]
    entities[-1] = replace(entities[-1], genres=("Drama",), released_at=START + 100)
    catalog = Catalog.build(entities, derived_rows(entities))
    (day,) = replay(catalog, [Event("e", "u", "late", "play", START + 100)], pages=1)
    assert (day.unseated, dict(day.seats)) == (1, {})
    assert "late" not in set(day.impressions["entity_id"])
    assert len(day.impressions)


def test_a_catalog_without_a_full_row_skips_its_pages() -> None:
    """Nineteen titles make no row of twenty: no page, and the count says so."""
    entities = service()[0].entities[: COLUMNS - 1]
    catalog = Catalog.build(entities, derived_rows(entities))
    events = [Event("e", "u", entities[0].id, "play", START + 9 * SECONDS_A_DAY)]
    (day,) = replay(catalog, events, pages=5)
    assert (len(day.impressions), day.skipped, dict(day.seats)) == (0, 1, {})


def test_the_product_of_propensities_is_the_chance_of_the_page() -> None:
    """All pages of a small world, none of them with acts, have chances that sum to one."""
    members = np.array([[True] * 4, [True, True, True, False], [False, False, True, True]])
    weights, mass = np.array([1.0, 2.0, 0.5]), np.array([1.0, 3.0, 0.2, 2.0])
    total = 0.0
    for rows in permutations(range(3), 2):
        for titles in permutations(range(4), 4):
            page = np.array(titles, np.int32).reshape(2, 2)
            if all(members[row, placed].all() for row, placed in zip(rows, page, strict=True)):
                chances = propensities(np.array(rows, np.int32), page, members, weights, mass)
                total += float(chances.prod())
    # Pages that end after one row, since no other has two titles left, are whole as well.
    for row in range(3):
        for pair in permutations(range(4), 2):
            others = [members[other].sum() - members[other, list(pair)].sum() for other in range(3)]
            ended = all(others[other] < 2 for other in range(3) if other != row)
            if members[row, list(pair)].all() and ended:
                one = np.array([pair], np.int32)
                total += float(
                    propensities(np.array([row], np.int32), one, members, weights, mass).prod()
                )
    assert math.isclose(total, 1.0)


def test_pages_without_acts_are_drawn_with_their_propensities() -> None:
    """Inverse propensities of the first place average to the number of its possible fillings."""
    catalog, _ = service()
    late = Entity("late", "film", "Late", released_at=START + 90 * SECONDS_A_DAY)
    catalog = Catalog.build([*catalog.entities, late], catalog.rows)
    events = [Event(f"e{n}", f"u{n}", "late", "play", START + 10) for n in range(800)]
    (day,) = replay(catalog, events, pages=len(events))
    assert day.impressions["action"].null_count() == len(day.impressions)
    first = day.impressions.filter(pl.col("row_pos") == 0, pl.col("col_pos") == 0)
    members = catalog.rows_at(START - 20) & (catalog.released_at <= START - 20)
    fillings = sum(int(count) for count in members.sum(axis=1) if count >= COLUMNS)
    inverse = 1 / first["propensity"].to_numpy()
    error = inverse.std() / math.sqrt(len(inverse))
    assert abs(inverse.mean() - fillings) < 4 * error
