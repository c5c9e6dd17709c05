"""Which place an event answers, and days that may be written again."""

import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset import collected
from dataset.attribution import SKEW_S, Attribution
from dataset.collected import CollectedFolder, Gathered, impressions
from dataset.day import day_of
from dataset.folder import DataFolder
from dataset.schema import IMPRESSIONS, Table
from dataset.validation import validate
from genpage.entity import Entity
from genpage.errors import DatasetError, InputError
from genpage.event import ACTIONS, Event
from genpage.profile import Profile
from genpage.row import Row
from genpage.served_page import ServedPage, ServedRow

DAY, NOON = "2026-05-01", 1_777_636_800.0
WINDOW = 3_600.0
ENTITIES = [Entity(f"e{n}", "film", f"Film {n}", genres=("Drama",)) for n in range(8)]
ROWS = [Row(f"r{n}", "genre", f"Row {n}", pinned_position=0 if n < 2 else None) for n in range(3)]


def page(
    name: str, *rows: tuple[str, ...], user: str = "ada", at: float = NOON, sent: int = 99
) -> ServedPage:
    """A page whose rows are r0, r1..."""
    told = tuple(ServedRow(f"r{n}", row, (0.5,) * len(row)) for n, row in enumerate(rows))
    return ServedPage(name, user, at, "tv", "en-NZ", min(sent, len(rows)), told)


def event(entity: str, after: float = 10.0, **fields: object) -> Event:
    """What ada did so long after noon."""
    name = f"{entity}-{after}-{sorted(fields.items())}"
    found = Event(name, "ada", entity, "play", NOON + after)
    return replace(found, **fields)  # type: ignore[arg-type]


TWICE = page("p1", ("e0", "e1"), ("e2", "e1", "e3"))
LATER = page("p2", ("e1", "e4"), at=NOON + 600)


@pytest.mark.parametrize(
    ("done", "place"),
    [
        (event("e3", page_id="p1", row_pos=1, col_pos=2), ("p1", (1, 2))),
        (event("e1", page_id="p1", row_pos=1, col_pos=1), ("p1", (1, 1))),
        (event("e1", page_id="p1"), ("p1", (0, 1))),
        # A place that holds another title, or none, is not believed.
        (event("e1", page_id="p1", row_pos=1, col_pos=0), ("p1", (0, 1))),
        (event("e1", page_id="p1", row_pos=7, col_pos=-1), ("p1", (0, 1))),
        (event("e5", page_id="p1", row_pos=0, col_pos=0), None),
        (event("e1", page_id="elsewhere"), None),
        (event("e1", page_id="p1", user_id="eve"), None),
        (event("e1", -SKEW_S, page_id="p1"), ("p1", (0, 1))),
        (event("e1", -SKEW_S - 1, page_id="p1"), None),
        (event("e1", WINDOW + 1, page_id="p1"), None),
        # Without a page: the latest before it that showed the title.
        (event("e1", 599), ("p1", (0, 1))),
        (event("e1", 601), ("p2", (0, 0))),
        (event("e3", 601), ("p1", (1, 2))),
        (event("e1", -1), None),
        (event("e2", WINDOW + 1), None),
        (event("e7", 601), None),
    ],
)
def test_an_event_answers_one_place(done: Event, place: object) -> None:
    """By what it names, else by who was shown it last."""
    assert Attribution([LATER, TWICE], WINDOW).place_of(done) == place


def test_what_was_not_sent_is_no_impression() -> None:
    """Nor is it answered: the title's place is where it was sent."""
    half = page("p1", ("e0",), ("e1",), sent=1)
    lines = pl.concat(impressions(Gathered(DAY, [half], [event("e1"), event("e0")]), WINDOW))
    assert lines["entity_id"].to_list() == ["e0"]
    assert lines["action"].to_list() == ["play"]
    assert lines["seen"].to_list() == [True]
    assert lines["propensity"].to_list() == [0.5]


def test_the_most_telling_action_stands_and_watching_adds_up() -> None:
    """Of equals the latest."""
    done = [
        event("e0", 30, action="trailer"),
        event("e0", 20, action="play", duration_s=100.0),
        event("e0", 40, action="abandon", duration_s=20.0),
        event("e1", 50, action="details"),
    ]
    lines = pl.concat(impressions(Gathered(DAY, [TWICE], done), WINDOW))
    assert lines["action"].to_list() == ["abandon", "details", None, None, None]
    assert lines["duration_s"].to_list() == [120.0, None, None, None, None]


@given(st.integers(0, 1 << 30))
def test_attribution_is_what_a_search_of_all_places_finds(seed: int) -> None:
    """The slow twin: every page, row and place is looked at for each event."""
    chance = random.Random(seed)
    pages = [
        page(
            f"p{n}",
            *(tuple(chance.sample([e.id for e in ENTITIES], 3)) for _ in range(2)),
            user=chance.choice("ab"),
            at=NOON + 60.0 * n,
            sent=chance.randrange(3),
        )
        for n in range(6)
    ]
    done = [
        Event(
            f"{n}",
            chance.choice("ab"),
            chance.choice(ENTITIES).id,
            chance.choice(ACTIONS),
            NOON + chance.randrange(-100, 600),
        )
        for n in range(20)
    ]
    attribution = Attribution(pages, 200.0)
    for each in done:
        found = None
        for shown in pages:
            if shown.user_id == each.user_id and shown.at <= each.ts <= shown.at + 200.0:
                places = [
                    (row, column)
                    for row in range(shown.rows_sent)
                    for column, entity in enumerate(shown.rows[row].entity_ids)
                    if entity == each.entity_id
                ]
                if places:
                    found = (shown.page_id, min(places))
        assert attribution.place_of(each) == found


@pytest.fixture
def folder(tmp_path: Path) -> CollectedFolder:
    """A folder with a catalog."""
    folder = CollectedFolder(tmp_path / "out", WINDOW)
    folder.catalog([*ENTITIES, *ROWS])
    return folder


def test_a_day_written_again_holds_each_page_once(folder: CollectedFolder) -> None:
    """What is told anew stands in place of the old; what is not told again stays."""
    first = folder.day(Gathered(DAY, [TWICE], [event("e0")]))
    assert (first.pages, first.impressions, first.acted, first.events) == (1, 5, 1, 1)
    second = folder.day(Gathered(DAY, [LATER], [event("e4", 700)], {"ada"}))
    assert (second.pages, second.impressions, second.events) == (2, 7, 2)
    again = folder.day(Gathered(DAY, [TWICE], [event("e0"), event("e2")]))
    assert (again.pages, again.impressions, again.acted, again.events) == (2, 7, 3, 3)
    data = DataFolder(folder.path)
    lines = data.impressions()
    assert lines.filter("simulated")["page_id"].unique().to_list() == ["p2"]
    assert data.events()["ts"].is_sorted()
    report = validate(folder.path)
    assert report.ok, report.problems
    assert not [file for file in folder.path.rglob("*") if "unfinished" in file.name]


def test_a_day_is_written_in_parts(
    folder: CollectedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never all its impressions at once, which are many times its pages; in the order of time."""
    pages = [page(f"p{n}", ("e0", "e1"), at=NOON + 97 * n % 60) for n in range(25)]
    done = [event("e1", 70, page_id=f"p{n}") for n in range(25)]
    whole = pl.concat(impressions(Gathered(DAY, pages, done), WINDOW))
    most: list[int] = []
    check = collected._valid

    def valid(table: Table, day: str, frame: pl.DataFrame, key: str) -> tuple[pl.DataFrame, int]:
        if table is IMPRESSIONS:
            most.append(frame.height)
        return check(table, day, frame, key)

    monkeypatch.setattr(collected, "_PART", 4)
    monkeypatch.setattr(collected, "_valid", valid)
    (folder.path / ".parts").mkdir()
    (folder.path / ".parts" / "000099.parquet").write_bytes(b"of a run that was killed")
    first = folder.day(Gathered(DAY, pages[:13], done))
    told = folder.day(Gathered(DAY, pages[6:], done))
    assert max(most) == 4 * 2
    assert (first.pages, first.impressions) == (13, 26)
    assert (told.pages, told.impressions, told.acted) == (25, 50, 25)
    held = pl.read_parquet(folder.path / "impressions" / f"{DAY}.parquet")
    assert held["ts"].is_sorted()
    place = ["page_id", "row_pos", "col_pos"]
    assert held.sort(place).equals(whole.sort(place))
    assert not (folder.path / ".parts").exists()


def test_titles_and_members_are_added_as_they_get_known(folder: CollectedFolder) -> None:
    """What no document tells of is left out until one does; a place is pinned once."""
    strange = page("p3", ("e0", "new"))
    assert folder.day(Gathered(DAY, [strange], [])).left_out == 1
    folder.catalog([Entity("new", "show", "New"), Entity("e0", "show", "Ignored"), ROWS[0]])
    assert folder.day(Gathered(DAY, [strange], [])).left_out == 0
    data = DataFolder(folder.path)
    assert [e.title for e in data.catalog().entities][-1] == "New"
    assert [row.pinned_position for row in data.catalog().rows] == [0, None, None]
    assert data.profiles()["profile_type"].to_list() == ["adult"]
    folder.profiles([Profile("ada", "de", "kid", "DE", 6, 5.0)])
    folder.profiles([])
    (line,) = DataFolder(folder.path).profiles().iter_rows(named=True)
    assert (line["profile_type"], line["maturity"], line["created_at"]) == ("kid", 6, 5.0)


def test_what_the_layout_does_not_allow_stays_out(folder: CollectedFolder) -> None:
    """A page or event that is wrong costs itself alone."""
    bad = replace(page("p4", ("e0", "e1")), device="fridge")
    long = event("e0", page_id="p1", event_id="x" * 200)
    negative = event("e1", duration_s=-5.0)
    written = folder.day(Gathered(DAY, [TWICE, bad], [long, negative, event("e2")]))
    assert (written.pages, written.events, written.invalid) == (1, 1, 3)
    assert validate(folder.path).ok


def test_a_place_without_a_chance_costs_its_page(folder: CollectedFolder) -> None:
    """And is counted: made up into a tiny chance, it would outweigh every other page."""
    bad = page("p4", ("e0", "e1"))
    rows = (replace(bad.rows[0], propensities=(0.5, 0.0)),)
    certain = replace(page("p5", ("e2",)), explored=0.0)
    written = folder.day(Gathered(DAY, [TWICE, replace(bad, rows=rows), certain], []))
    assert (written.pages, written.impossible, written.invalid) == (2, 1, 0)
    assert DataFolder(folder.path).impressions()["page_id"].unique().sort().to_list() == [
        "p1",
        "p5",
    ]


def test_how_much_of_a_page_was_drawn_is_carried(folder: CollectedFolder) -> None:
    """Line by line, also where the day was written before the layout told of it."""
    folder.day(Gathered(DAY, [TWICE], []))
    file = folder.path / "impressions" / f"{DAY}.parquet"
    pl.read_parquet(file).drop("explored").write_parquet(file)
    drawn = [
        replace(page("p4", ("e0",)), explored=0.25),
        replace(page("p5", ("e1",)), explored=0.0),
    ]
    folder.day(Gathered(DAY, drawn, []))
    lines = DataFolder(folder.path).impressions()
    told = dict(lines.select("page_id", "explored").unique().iter_rows())
    assert told == {"p1": None, "p4": 0.25, "p5": 0.0}
    assert validate(folder.path).ok


def test_rows_whose_conditions_are_json_are_read(tmp_path: Path) -> None:
    """A team's own rows.parquet may hold them so; what is added stands beside."""
    folder = CollectedFolder(tmp_path, WINDOW)
    folder.catalog([*ENTITIES, ROWS[0]])
    file = tmp_path / "rows.parquet"
    lines = pl.read_parquet(file).with_columns(pl.lit('{"year_from": 1990}').alias("where"))
    lines.write_parquet(file)
    folder.catalog([ROWS[2]])
    rows = DataFolder(tmp_path).catalog().rows
    assert [row.id for row in rows] == ["r0", "r2"]
    assert rows[0].where is not None
    assert rows[0].where.year_from == 1990


def test_an_event_behind_midnight_is_credited_once() -> None:
    """To the later of two pages, though the earlier day is told of both."""
    late, early = NOON + 11 * 3600, NOON + 12.5 * 3600
    before, after = page("p1", ("e0",), at=late), page("p2", ("e0",), at=early)
    done = [event("e0", 12.6 * 3600)]
    window = 4 * 3600.0
    first = pl.concat(impressions(Gathered(DAY, [before], done, (), [after]), window))
    second = pl.concat(impressions(Gathered("2026-05-02", [after], done), window))
    assert first["page_id"].to_list() == ["p1"]
    assert [first["action"].to_list(), second["action"].to_list()] == [[None], ["play"]]


def test_an_erased_member_is_taken_out_of_every_day(folder: CollectedFolder) -> None:
    """Up to the erasure; who comes back is a stranger."""
    folder.profiles([Profile("ada", "de", "kid", "DE", 6, 5.0)])
    eve = page("p3", ("e0",), user="eve")
    folder.day(Gathered(DAY, [TWICE, eve], [event("e0")]))
    again = page("p4", ("e1",), at=NOON + 7_200)
    folder.day(Gathered(DAY, [again], [event("e1", 7_300)]))
    folder.erase({"ada": NOON + 3_600})
    folder.day(Gathered(DAY, [], []))
    data = DataFolder(folder.path)
    assert set(data.impressions()["page_id"]) == {"p3", "p4"}
    assert data.events()["entity_id"].to_list() == ["e1"]
    profiles = {line["user_id"]: line for line in data.profiles().iter_rows(named=True)}
    assert (profiles["ada"]["profile_type"], set(profiles)) == ("adult", {"ada", "eve"})
    assert validate(folder.path).ok
    folder.erase({"eve": NOON + 3_600})
    assert set(DataFolder(folder.path).profiles()["user_id"]) == {"ada"}


def test_how_far_the_log_was_read_stands_in_the_folder(folder: CollectedFolder) -> None:
    """By its own time, whatever days there are."""
    folder.day(Gathered("2027-05-01", [], []))
    assert folder.since is None
    folder.reached(12.5)
    assert CollectedFolder(folder.path, WINDOW).since == 12.5
    (folder.path / "collected.json").write_text("{}")
    with pytest.raises(DatasetError, match="remove it"):
        assert folder.since


def test_what_is_on_no_calendar_day_is_said() -> None:
    """No traceback from the calendar."""
    for ts in (1e15, -1e15):
        with pytest.raises(InputError, match="calendar"):
            day_of(ts)
