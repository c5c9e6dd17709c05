"""Reading a data folder, and writing one."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.day import day_of, day_start, is_day
from dataset.folder import DataFolder, profile_of
from dataset.schema import EVENTS, IMPRESSIONS
from dataset.write import new_folder
from genpage.entity import Entity
from genpage.errors import DatasetError, InputError, UsageError
from genpage.profile import Profile
from genpage.row import Row, Where

Change = Callable[[str, Callable[[pl.DataFrame], pl.DataFrame]], None]
DAY = "2026-01-31"


def test_the_catalog_comes_back_as_it_was_written(folder: Path, tmp_path: Path) -> None:
    """Entities and rows survive the disk, with every field that was set."""
    catalog = DataFolder(folder).catalog()
    with new_folder(tmp_path / "again") as writer:
        writer.entities(catalog.entities)
        writer.rows(catalog.rows)
    again = DataFolder(tmp_path / "again").catalog()
    assert again.entities == catalog.entities
    assert again.rows == catalog.rows
    assert again.version == catalog.version
    assert catalog.rows[1].where == Where(("Drama",), kinds=("film",), released_within_days=30.0)


@given(
    st.lists(
        st.builds(
            Entity,
            id=st.uuids().map(str),
            kind=st.sampled_from(["show", "film", "game", "live"]),
            title=st.text(min_size=1, max_size=20),
            synopsis=st.text(max_size=40),
            genres=st.lists(st.text(max_size=5), max_size=3).map(tuple),
            year=st.none() | st.integers(1900, 2100),
            maturity=st.integers(0, 21),
            released_at=st.none() | st.floats(-1e9, 1e10),
            vector=st.none() | st.lists(st.floats(-1, 1), min_size=1, max_size=4).map(tuple),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_entity_round_trips(entities: list[Entity]) -> None:
    """Whatever text and numbers an entity holds, the folder gives it back."""
    import tempfile  # noqa: PLC0415 - one folder an example: a fixture would be shared

    with tempfile.TemporaryDirectory() as place:
        with new_folder(Path(place) / "data") as writer:
            writer.entities(entities)
            writer.rows([Row("all", "picks", "All")])
        assert DataFolder(Path(place) / "data").catalog().entities == tuple(entities)


def test_events_stand_by_time_with_every_column(folder: Path) -> None:
    """Sorted by ts, in the layout's columns and types, absent ones empty."""
    events = DataFolder(folder).events()
    assert events["event_id"].to_list() == ["v1", "v2"]
    assert events.schema == EVENTS.schema
    assert events["page_id"].null_count() == 2
    assert DataFolder(folder).impressions().schema == IMPRESSIONS.schema


def test_days_are_chosen_with_both_ends(folder: Path) -> None:
    """``first`` and ``last`` are both included; a range without files is an empty frame."""
    with_more = DataFolder(folder)
    later = pl.read_parquet(folder / "events" / f"{DAY}.parquet").with_columns(
        pl.col("ts") + 86_400
    )
    later.write_parquet(folder / "events" / "2026-02-01.parquet")
    (folder / "events" / "notes.parquet").write_bytes(b"not a day, not read")
    assert with_more.days() == (DAY, "2026-02-01")
    assert len(with_more.events()) == 4
    assert len(with_more.events(last=DAY)) == len(with_more.events(first="2026-02-01")) == 2
    assert with_more.events(first="2027-01-01").schema == EVENTS.schema
    assert len(with_more.impressions(first="2026-02-01")) == 0


def test_columns_can_be_chosen(folder: Path) -> None:
    """Only the named ones are read, in the given order, and still by time."""
    events = DataFolder(folder).events(columns=("entity_id", "user_id"))
    assert events.columns == ["entity_id", "user_id"]
    assert events["entity_id"].to_list() == ["e1", "e2"]


def test_a_teams_own_types_are_cast(change: Change, folder: Path) -> None:
    """Narrow integers, categories and JSON conditions are the same data."""
    change(
        f"events/{DAY}.parquet",
        lambda frame: frame.with_columns(
            pl.col("action").cast(pl.Categorical), pl.col("ts").cast(pl.Int64)
        ),
    )
    change(
        "rows.parquet",
        lambda frame: frame.with_columns(
            where=pl.Series([None, '{"genres_any": ["Drama"]}', None])
        ),
    )
    data = DataFolder(folder)
    assert data.events().schema == EVENTS.schema
    assert data.catalog().rows[1].where == Where(genres_any=("Drama",))


def test_a_profile_line_is_a_profile(folder: Path) -> None:
    """The profile change that created the member."""
    lines = DataFolder(folder).profiles().to_dicts()
    assert profile_of(lines[0]) == Profile("u1", "en", "adult", "BR", 18, lines[0]["created_at"])
    assert profile_of(lines[1]).country is None


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda path: (path / "entities.parquet").unlink(), "no entities.parquet"),
        (lambda path: (path / "rows.parquet").write_bytes(b"x"), "not readable as Parquet"),
        (
            lambda path: pl.DataFrame({"id": ["a"]}).write_parquet(path / "entities.parquet"),
            "no column 'kind'",
        ),
        (
            lambda path: (
                pl.read_parquet(path / "entities.parquet")
                .with_columns(title=pl.lit(3))
                .write_parquet(path / "entities.parquet")
            ),
            "'title' holds Int32, not strings",
        ),
        (
            lambda path: (
                pl.read_parquet(path / "entities.parquet")
                .with_columns(kind=pl.lit("opera"))
                .write_parquet(path / "entities.parquet")
            ),
            "kind",
        ),
        (
            lambda path: (
                pl.read_parquet(path / "rows.parquet")
                .with_columns(where=pl.lit("{"))
                .write_parquet(path / "rows.parquet")
            ),
            "not JSON",
        ),
    ],
)
def test_what_cannot_be_read_is_named(
    folder: Path, break_it: Callable[[Path], object], says: str
) -> None:
    """A missing or broken file or column is a `DatasetError` that names it."""
    break_it(folder)
    with pytest.raises(DatasetError, match=says):
        DataFolder(folder).catalog()


def test_missing_folders_are_named(folder: Path, tmp_path: Path) -> None:
    """No folder, no events folder, a malformed day."""
    with pytest.raises(DatasetError, match="no folder"):
        DataFolder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="2026-1-1"):
        DataFolder(folder).events(first="2026-1-1")
    (folder / "events" / f"{DAY}.parquet").unlink()
    (folder / "events").rmdir()
    with pytest.raises(DatasetError, match="events/"):
        DataFolder(folder).events()


def test_an_existing_folder_is_refused_unless_forced(folder: Path) -> None:
    """The old data stay until the new are complete, also when writing fails half-way."""
    before = sorted(folder.rglob("*"))

    def fail(*, force: bool) -> None:
        with new_folder(folder, force=force) as writer:
            writer.rows([])
            raise RuntimeError

    with pytest.raises(UsageError, match="exists already"):
        fail(force=False)
    with pytest.raises(RuntimeError):
        fail(force=True)
    assert sorted(folder.rglob("*")) == before
    assert list(folder.parent.iterdir()) == [folder]
    with new_folder(folder, force=True) as writer:
        writer.rows([Row("all", "picks", "All")])
    assert [path.name for path in folder.iterdir()] == ["rows.parquet"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """A file where a folder should be is said so, without a traceback."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot write"), new_folder(tmp_path / "file" / "data"):
        pass


@given(st.integers(-(10**11), 10**11).map(lambda number: number / 32))
def test_days_and_times_agree(ts: float) -> None:
    """A time lies between its day's midnight and the next."""
    day = day_of(ts)
    assert is_day(day)
    assert 0 <= ts - day_start(day) < 86_400
