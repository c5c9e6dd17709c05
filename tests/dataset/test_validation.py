"""`genpage validate`: each way to break the layout is found, at its file, line and column."""

from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest

from dataset.checks import CHECKS
from dataset.schema import TABLES
from dataset.validation import validate
from genpage.cli import main
from genpage.errors import DatasetError

Edit = Callable[[pl.DataFrame], pl.DataFrame]
Change = Callable[[str, Edit], None]
DAY = "2026-01-31"
EVENTS, IMPRESSIONS = f"events/{DAY}.parquet", f"impressions/{DAY}.parquet"


def put(column: str, values: list[object], dtype: type[pl.DataType] | None = None) -> Edit:
    """Replace a column."""
    return lambda frame: frame.with_columns(pl.Series(column, values, dtype=dtype))


def where(document: object) -> Edit:
    """Give the second row other conditions."""
    text = document if isinstance(document, str) else orjson.dumps(document).decode()
    return put("where", [None, text, None], pl.String)


def test_valid_data_have_no_problem(folder: Path) -> None:
    """The folder that the other tests break is valid; empty genres and so on are not needed."""
    report = validate(folder)
    assert report.problems == []
    assert report.ok
    assert report.files == 5
    assert report.lines == {
        "entities": 3,
        "rows": 3,
        "profiles": 2,
        "events": 2,
        "impressions": 2,
    }


NAN, INF = float("nan"), float("inf")
T = 1_769_817_600.0
# file, what happens to it, the problem's kind, its line, its column
BROKEN: tuple[tuple[str, Edit, str, int | None, str | None], ...] = (
    ("entities.parquet", put("id", ["e1", "e2", "e1"]), "duplicate-id", 3, "id"),
    ("entities.parquet", put("id", ["e1", "", "e3"]), "bad-id", 2, "id"),
    ("entities.parquet", put("id", ["e1", None, "e3"]), "null", 2, "id"),
    ("entities.parquet", put("kind", ["film", "opera", "live"]), "unknown-kind", 2, "kind"),
    ("entities.parquet", put("title", ["One", "  ", "x"]), "blank", 2, "title"),
    ("entities.parquet", put("year", [2020, 20, None]), "bad-year", 2, "year"),
    ("entities.parquet", put("maturity", [0, 0, -1]), "bad-maturity", 3, "maturity"),
    ("entities.parquet", put("maturity", [0, None, 0]), "null", 2, "maturity"),
    ("entities.parquet", put("countries", [[], ["br"], []]), "bad-country", 2, "countries"),
    ("entities.parquet", put("genres", [["A"], ["B", None], []]), "null", 2, "genres"),
    ("entities.parquet", put("released_at", [T, NAN, T]), "not-finite", 2, "released_at"),
    ("entities.parquet", put("released_at", [T * 1000, T, T]), "time-unit", 1, "released_at"),
    ("entities.parquet", put("duration_s", [1.0, -5.0, 1.0]), "negative-duration", 2, "duration_s"),
    ("entities.parquet", put("duration_s", [1.0, INF, 1.0]), "not-finite", 2, "duration_s"),
    ("entities.parquet", put("live_until", [None, None, T - 5]), "empty-window", 3, "live_until"),
    ("entities.parquet", put("vector", [[1.0], [NAN], None]), "not-finite", 2, "vector"),
    ("entities.parquet", put("vector", [[1.0], [1.0, 2.0], None]), "vector-length", 2, "vector"),
    ("entities.parquet", lambda f: f.drop("genres"), "missing-column", None, "genres"),
    ("entities.parquet", put("genres", ["A", "B", "C"]), "wrong-type", None, "genres"),
    ("entities.parquet", put("title", [1, 2, 3]), "wrong-type", None, "title"),
    ("entities.parquet", lambda f: f.head(0), "empty-table", None, None),
    ("rows.parquet", put("id", ["a", "a", "hand"]), "duplicate-id", 2, "id"),
    ("rows.parquet", put("pinned_position", [0, -1, None]), "bad-position", 2, "pinned_position"),
    ("rows.parquet", put("pinned_position", [0, None, 0]), "pinned-twice", 3, "pinned_position"),
    ("rows.parquet", where({"genre": ["Drama"]}), "bad-where", 2, "where"),
    ("rows.parquet", where({"genres_all": "Drama"}), "bad-where", 2, "where"),
    ("rows.parquet", where({"kinds": ["opera"]}), "bad-where", 2, "where"),
    ("rows.parquet", where({"year_from": 2020, "year_to": 2010}), "bad-where", 2, "where"),
    ("rows.parquet", where({"released_within_days": 0}), "bad-where", 2, "where"),
    ("rows.parquet", where("[1]"), "bad-where", 2, "where"),
    ("rows.parquet", where("{"), "bad-where", 2, "where"),
    (
        "rows.parquet",
        put("entity_ids", [None, None, ["e1", "e9"]]),
        "unknown-entity",
        3,
        "entity_ids",
    ),
    ("profiles.parquet", put("user_id", ["u1", "u1"]), "duplicate-id", 2, "user_id"),
    (
        "profiles.parquet",
        put("profile_type", ["adult", "cat"]),
        "unknown-profile-type",
        2,
        "profile_type",
    ),
    ("profiles.parquet", put("country", ["Brazil", None]), "bad-country", 1, "country"),
    ("profiles.parquet", put("created_at", [T, NAN]), "not-finite", 2, "created_at"),
    (EVENTS, put("event_id", ["v1", "v1"]), "duplicate-id", 2, "event_id"),
    (EVENTS, put("user_id", ["u1", "x" * 129]), "bad-id", 2, "user_id"),
    (EVENTS, put("user_id", ["u1", "a\nb"]), "bad-id", 2, "user_id"),
    (EVENTS, put("action", ["play", "binge"]), "unknown-action", 2, "action"),
    (EVENTS, put("ts", [T, NAN]), "not-finite", 2, "ts"),
    (EVENTS, put("ts", [T, T + 86_400]), "other-day", 2, "ts"),
    (EVENTS, put("ts", [T - 0.5, T]), "other-day", 1, "ts"),
    (EVENTS, put("duration_s", [1.0, -1.0]), "negative-duration", 2, "duration_s"),
    (EVENTS, put("ts", ["now", "then"]), "wrong-type", None, "ts"),
    (IMPRESSIONS, put("entity_id", ["e1", "e9"]), "unknown-entity", 2, "entity_id"),
    (IMPRESSIONS, put("row_id", ["gone", "gone"]), "unknown-row", 1, "row_id"),
    (IMPRESSIONS, put("propensity", [0.0, 0.5]), "bad-propensity", 1, "propensity"),
    (IMPRESSIONS, put("propensity", [0.5, 1.5]), "bad-propensity", 2, "propensity"),
    (IMPRESSIONS, put("propensity", [0.5, NAN]), "bad-propensity", 2, "propensity"),
    (IMPRESSIONS, put("explored", [0.5, 1.5]), "bad-explored", 2, "explored"),
    (IMPRESSIONS, put("explored", [NAN, 0.0]), "bad-explored", 1, "explored"),
    (IMPRESSIONS, put("propensity", [0.5, None]), "null", 2, "propensity"),
    (IMPRESSIONS, put("device", ["tv", "fridge"]), "unknown-device", 2, "device"),
    (IMPRESSIONS, put("device", ["tv", "web"]), "torn-page", 2, "device"),
    (IMPRESSIONS, put("user_id", ["u1", "u2"]), "torn-page", 2, "user_id"),
    (IMPRESSIONS, put("row_id", ["hand", "new"]), "torn-row", 2, "row_id"),
    (IMPRESSIONS, put("col_pos", [1, 1]), "same-place", 2, "col_pos"),
    (IMPRESSIONS, put("col_pos", [0, -1]), "bad-position", 2, "col_pos"),
    (IMPRESSIONS, put("action", ["play", "binge"]), "unknown-action", 2, "action"),
    (IMPRESSIONS, put("simulated", [True, None]), "null", 2, "simulated"),
    (IMPRESSIONS, lambda f: f.drop("propensity"), "missing-column", None, "propensity"),
)


@pytest.mark.parametrize(
    ("file", "edit", "kind", "line", "column"),
    BROKEN,
    ids=[f"{kind}-{file.split('/')[0]}-{i}" for i, (file, _, kind, _, _) in enumerate(BROKEN)],
)
def test_each_fault_is_found_at_its_place(
    folder: Path,
    change: Change,
    file: str,
    edit: Edit,
    kind: str,
    line: int | None,
    column: str | None,
) -> None:
    """One fault, one finding of its kind, with file, line, column and the value."""
    change(file, edit)
    report = validate(folder)
    found = [problem for problem in report.problems if problem.kind == kind]
    assert found, report.problems
    assert (found[0].file, found[0].line, found[0].column) == (file, line, column)
    assert found[0].why
    assert (found[0].value is None) == (line is None)
    assert report.counts[kind] >= 1
    assert not report.ok


def test_every_declared_check_is_tested() -> None:
    """No check is declared that the table above does not break (warnings have tests below)."""
    declared = {
        (table.name, check.kind)
        for table in TABLES
        for check in CHECKS[table]
        if check.severity == "error"
    }
    tested = {(file.split("/")[0].removesuffix(".parquet"), kind) for file, _, kind, _, _ in BROKEN}
    alike = {"not-finite", "bad-id", "blank", "null", "bad-position", "time-unit", "bad-maturity"}
    alike |= {"negative-duration"}  # the same function for another column
    missing = {(table, kind) for table, kind in declared - tested if kind not in alike}
    assert not missing


@pytest.mark.parametrize(
    ("file", "edit", "kind"),
    [
        (EVENTS, put("entity_id", ["e1", "e9"]), "event-of-unknown-entity"),
        (IMPRESSIONS, put("seen", [False, False]), "acted-unseen"),
        (EVENTS, lambda f: f.drop("duration_s").rename({"page_id": "pageid"}), "misspelt-column"),
        ("entities.parquet", put("genres", [["A"], [], ["B"]]), "no-genres"),
        (
            "rows.parquet",
            put("where", ['{"genres_any": ["A"]}', None, None], pl.String),
            "unused-where",
        ),
    ],
)
def test_warnings_leave_the_data_valid(
    folder: Path, change: Change, file: str, edit: Edit, kind: str
) -> None:
    """What is odd but usable is said and counted, and does not fail."""
    change(file, edit)
    report = validate(folder)
    assert report.ok
    assert report.warnings[kind] == 1
    assert [problem.kind for problem in report.problems] == [kind]


def test_extra_columns_are_nobodys_business(folder: Path, change: Change) -> None:
    """A team's own columns are let through."""
    change("entities.parquet", lambda frame: frame.with_columns(budget=pl.lit(3)))
    assert validate(folder).problems == []


def test_ids_are_unique_over_all_days(folder: Path) -> None:
    """An event or a page of one day that stands in another day's file is found there."""
    for name, shift in ((EVENTS, 86_400), (IMPRESSIONS, 86_400)):
        frame = pl.read_parquet(folder / name).with_columns(pl.col("ts") + shift)
        frame.write_parquet(folder / name.replace(DAY, "2026-02-01"))
    report = validate(folder)
    assert report.counts == {"duplicate-id": 2, "page-on-two-days": 1}
    assert {problem.file.split("/")[1] for problem in report.problems} == {"2026-02-01.parquet"}
    assert {problem.value for problem in report.problems} == {"'v2'", "'v1'", "'p1'"}


@pytest.mark.parametrize("table", ["entities", "rows", "profiles", "events", "impressions"])
def test_a_missing_table_is_found(folder: Path, table: str) -> None:
    """A file or a day folder that is not there, and one that is empty of days."""
    if table in {"events", "impressions"}:
        (folder / table / f"{DAY}.parquet").unlink()
        assert validate(folder).counts["missing-file"] == 1
        (folder / table).rmdir()
    else:
        (folder / f"{table}.parquet").unlink()
    problems = [p for p in validate(folder).problems if p.kind == "missing-file"]
    assert len(problems) == 1
    assert problems[0].file.startswith(table)


def test_a_file_that_is_no_parquet_and_one_that_is_no_day(folder: Path) -> None:
    """Both are named, and the rest is checked all the same."""
    (folder / "events" / "yesterday.parquet").write_bytes(
        (folder / "events" / f"{DAY}.parquet").read_bytes()
    )
    (folder / "rows.parquet").write_bytes(b"PAR1 not at all")
    report = validate(folder)
    assert report.counts["bad-day-name"] == 1
    assert report.counts["unreadable"] == 1
    assert report.lines["impressions"] == 2


def test_the_listing_is_bounded_and_the_count_is_not(folder: Path, change: Change) -> None:
    """Of many problems of a kind a few are listed, all are counted."""
    many = pl.concat([pl.read_parquet(folder / EVENTS)] * 500)
    change(
        EVENTS,
        lambda _: many.with_columns(
            event_id=pl.int_range(1000).cast(pl.String), action=pl.lit("binge")
        ),
    )
    report = validate(folder, limit=7)
    assert report.counts == {"unknown-action": 1000}
    assert [problem.line for problem in report.problems] == [1, 2, 3, 4, 5, 6, 7]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Said in one sentence, not as five missing files."""
    with pytest.raises(DatasetError, match="no folder"):
        validate(tmp_path / "nowhere")


def test_the_command_prints_where_and_why(
    folder: Path, change: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and each problem's place; with ``--json`` the report is stdout's last line."""
    change(EVENTS, put("action", ["play", "binge"]))
    with pytest.raises(SystemExit) as stop:
        main(["validate", str(folder), "--json"])
    assert stop.value.code == 1
    output = capsys.readouterr()
    report = orjson.loads(output.out.splitlines()[-1])
    assert report["valid"] is False
    assert report["errors"] == {"unknown-action": 1}
    assert report["problems"][0]["line"] == 2
    assert "1 problem" in output.err
    with pytest.raises(SystemExit):
        main(["validate", str(folder)])
    assert f"{EVENTS}:2" in capsys.readouterr().out.replace("\n", "")


def test_the_command_is_content_with_valid_data(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No problem, no error, and the counts of what was read."""
    main(["validate", str(folder), "--json"])
    assert orjson.loads(capsys.readouterr().out.splitlines()[-1])["valid"] is True
