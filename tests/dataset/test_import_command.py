"""``genpage import movietweetings``: the folder that it writes, and what it refuses."""

from pathlib import Path

import orjson
import polars as pl
import pytest

from dataset.folder import DataFolder
from dataset.validation import validate
from genpage.cli import main

START = 1_362_062_307  # the end of February 2013
DAY = 86_400
TITLES, USERS = 90, 12
FILES = ("items.tsv", "interactions.tsv")
SEAT = ("page_id", "row_id", "row_pos", "col_pos")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ninety films that one member rates at first, and others in pairs on later days."""
    monkeypatch.delenv("GENPAGE_REAL_DATA", raising=False)
    folder = tmp_path / "source"
    folder.mkdir()
    items = [f"tt{n:07}\tFilm {n}\t{1980 + n % 30}\tDrama|Comedy" for n in range(TITLES)]
    ratings = [f"0\ttt{n:07}\t7\t{START + n}" for n in range(TITLES)]
    ratings += [
        f"{user}\ttt{(7 * user + 3 * day + n) % TITLES:07}\t9\t{START + day * DAY + 60 * n}"
        for user in range(1, USERS)
        for day in (user % 5 + 2, user % 5 + 8)
        for n in range(2)
    ]
    heads = ("item_id\ttitle\tyear\tgenres", "user_id\titem_id\trating\ttimestamp")
    for name, head, lines in zip(FILES, heads, (items, ratings), strict=True):
        (folder / name).write_text("\n".join([head, *lines, ""]), "utf-8")
    (folder / "synopses.jsonl").write_text("", "utf-8")
    return folder


def imported(
    source: Path | str, out: Path, capsys: pytest.CaptureFixture[str]
) -> dict[str, object]:
    """Import, and read what the command says."""
    main(["import", "movietweetings", "--source", str(source), "--out", str(out), "--json"])
    document: dict[str, object] = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    return document


def test_events_name_the_seats_of_their_impressions(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each act on a page and its impression are one fact told twice, place by place."""
    document = imported(source, tmp_path / "data", capsys)
    assert validate(tmp_path / "data").ok
    folder = DataFolder(tmp_path / "data")
    events, impressions = folder.events(), folder.impressions()
    assert len(events) == document["events"] == TITLES + 4 * (USERS - 1)
    seated = events.filter(pl.col("page_id").is_not_null())
    assert len(seated) == document["acts_on_pages"]
    assert len(seated) > USERS
    assert not seated.select(*SEAT).null_count().sum_horizontal().item()
    acted = impressions.filter(pl.col("action").is_not_null())
    same = (*SEAT, "user_id", "entity_id", "action")
    assert sorted(acted.select(*same).rows()) == sorted(seated.select(*same).rows())
    both = seated.join(acted, on=("page_id", "entity_id"), suffix="_page")
    assert (both["ts"] > both["ts_page"]).all()
    assert impressions["simulated"].all()


def test_the_source_may_be_the_folder_one_is_in(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``--source .`` is that folder, also where the environment names another."""
    monkeypatch.setenv("GENPAGE_REAL_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(source)
    assert imported(".", tmp_path / "data", capsys)["entities"] == TITLES


def test_the_environment_names_the_source(
    source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without ``--source``; with neither it is a usage error that names the flag."""
    out = ("--out", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as stop:
        main(["import", "movietweetings", *out])
    assert stop.value.code == 2
    assert "--source" in capsys.readouterr().err
    monkeypatch.setenv("GENPAGE_REAL_DATA", str(source))
    main(["import", "movietweetings", *out])
    assert (tmp_path / "data" / "entities.parquet").is_file()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """In one line, and nothing is written."""
    (source / name).unlink()
    with pytest.raises(SystemExit) as stop:
        imported(source, tmp_path / "data", capsys)
    assert stop.value.code == 1
    told = capsys.readouterr().err
    assert str(source / name) in told.replace("\n", "")
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_existing_out_is_refused_unless_forced(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, before anything is read."""
    (tmp_path / "data").mkdir()
    with pytest.raises(SystemExit) as stop:
        imported(source, tmp_path / "data", capsys)
    assert stop.value.code == 2
    assert "--force" in capsys.readouterr().err
