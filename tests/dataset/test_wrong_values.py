"""A wrong value ends whatever reads it, with its place: serving, training and evaluation alike."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from api.fill import fill
from dataset.folder import DataFolder
from evaluation.sample import sample_members
from evaluation.source import Source
from genpage.cli import main
from genpage.errors import DatasetError
from streaming.memory import MemoryContextStore
from streaming.trending import LiveTrends
from tokenizer.vocabulary import Vocabulary
from training.pages import Pages
from training.timeline import Timeline

DAY, START, NAN = "2026-01-31", 1_769_817_600.0, float("nan")
Edit = Callable[[pl.DataFrame], pl.DataFrame]
Change = Callable[[str, Edit], None]
Reader = Callable[[DataFolder], object]


def _fill(folder: DataFolder) -> object:
    catalog = folder.catalog()
    return fill(folder, MemoryContextStore(), LiveTrends(catalog), catalog)


def _timeline(folder: DataFolder) -> object:
    catalog = folder.catalog()
    return Timeline.read(folder, catalog, Vocabulary().grown(catalog))


def _pages(folder: DataFolder) -> object:
    return Pages.read(folder, Vocabulary().grown(folder.catalog()), folder.days(), None)


def _source(folder: DataFolder) -> object:
    return Source.read(folder, "2026-02-01")


def _sample(folder: DataFolder) -> object:
    return sample_members(folder.path, members=2, rows=2, entities_per_row=2, seed=0)


EVENT_VALUES = [
    ("event_id", "", "''"),
    ("user_id", "a\x00", r"'a\\x00'"),
    ("user_id", None, "None is empty"),
    ("entity_id", "e" * 129, "'eee"),
    ("action", "applaud", "'applaud' is none of play"),
    ("ts", NAN, "nan is NaN"),
    ("ts", float("inf"), "inf is NaN or infinite"),
    ("ts", START * 1000, "milliseconds"),
    ("ts", START - 1.0, "does not fall on the UTC day"),
    ("duration_s", NAN, "nan is NaN"),
    ("duration_s", -1.0, "-1.0 is negative"),
    ("row_pos", -1, "-1 is negative"),
    ("col_pos", -1, "-1 is negative"),
]
# What next-item evaluation never reads cannot mislead it.
UNREAD = {"event_id", "row_pos", "col_pos"}


def _put(column: str, value: object) -> Edit:
    """Put ``value`` in the second line."""

    def edit(frame: pl.DataFrame) -> pl.DataFrame:
        if column not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.Int32).alias(column))
        dtype = frame.schema[column]
        values = frame[column].to_list()
        values[1] = value
        return frame.with_columns(pl.Series(column, values, dtype))

    return edit


@pytest.mark.parametrize(("column", "value", "words"), EVENT_VALUES)
@pytest.mark.parametrize("read", [_fill, _timeline, _source, _sample])
def test_a_wrong_event_ends_every_reader(
    folder: Path, change: Change, read: Reader, column: str, value: object, words: str
) -> None:
    """The message names file, line, column and value, and the command that lists all."""
    read(DataFolder(folder))
    change(f"events/{DAY}.parquet", _put(column, value))
    if read is _source and column in UNREAD:
        read(DataFolder(folder))
        return
    with pytest.raises(DatasetError, match=words) as error:
        read(DataFolder(folder))
    assert f"events/{DAY}.parquet:2 {column}: " in str(error.value)
    assert f"`genpage validate {folder}`" in str(error.value)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("device", "fridge", "'fridge' is none of"),
        ("propensity", 0.0, r"no probability in \(0, 1\]"),
        ("propensity", 1.5, r"no probability in \(0, 1\]"),
        ("propensity", NAN, r"no probability in \(0, 1\]"),
        ("ts", NAN, "nan is NaN"),
        ("row_pos", -1, "-1 is negative"),
        ("col_pos", -1, "-1 is negative"),
        ("col_pos", 0, "has this place twice"),
        ("action", "applaud", "'applaud' is none of play"),
        ("user_id", "u2", "differs from the page's other lines"),
    ],
)
def test_a_wrong_impression_ends_training(
    folder: Path, change: Change, column: str, value: object, words: str
) -> None:
    """An unknown device is not taken for another one, a propensity is a probability."""
    _pages(DataFolder(folder))
    change(f"impressions/{DAY}.parquet", _put(column, value))
    with pytest.raises(DatasetError, match=words) as error:
        _pages(DataFolder(folder))
    assert f"impressions/{DAY}.parquet:2 {column}: " in str(error.value)


def test_a_wrong_profile_ends_a_fill(folder: Path, change: Change) -> None:
    """Its time would be the context's."""
    change("profiles.parquet", _put("created_at", NAN))
    with pytest.raises(DatasetError, match=r"profiles\.parquet:2 created_at: nan"):
        _fill(DataFolder(folder))


@pytest.mark.parametrize("command", [["train", "pretrain", "--out"], ["evaluate", "next-item"]])
def test_a_command_tells_it_in_one_line(
    folder: Path,
    change: Change,
    tmp_path: Path,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No traceback, and no figures of what is left."""
    change(f"events/{DAY}.parquet", _put("action", "applaud"))
    out = [str(tmp_path / "out")] if command[-1] == "--out" else []
    with pytest.raises(SystemExit, match="1"):
        main([*command, *out, "--data", str(folder)])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "action: 'applaud'" in printed.err
    assert "Traceback" not in printed.err
