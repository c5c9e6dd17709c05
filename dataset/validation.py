"""Holding a data folder against the layout: what is wrong, line by line.

The schema says which columns there are, ``checks`` what a line must hold, ``references`` what must
agree between files. Files are read one at a time, so a year of days needs the memory of one.
"""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from dataset.checks import Check, checks_of
from dataset.day import is_day
from dataset.folder import cast, scan
from dataset.references import References
from dataset.report import Problem, Report, shown
from dataset.schema import TABLES, Column, Table
from genpage.errors import DatasetError

Progress = Callable[[str], None]


def validate(path: Path | str, *, limit: int = 20, progress: Progress | None = None) -> Report:
    """Check everything; ``progress`` hears each file's name before it is read.

    At most ``limit`` problems of each kind are listed, all are counted.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; give one in the data layout")
    report = Report(str(folder), limit)
    references = References(folder, report)
    for table in TABLES:
        for file in _files(folder, table, report):
            if progress is not None:
                progress(file.relative_to(folder).as_posix())
            frame = _read(file, file.relative_to(folder).as_posix(), table, report)
            if frame is not None:
                references.hold(table, frame, file.relative_to(folder).as_posix())
    references.finish()
    return report


def data_files(folder: Path) -> int:
    """How many files a validation will read."""
    return sum(
        len(list((folder / table.name).glob("*.parquet"))) if table.daily else 1 for table in TABLES
    )


def _files(folder: Path, table: Table, report: Report) -> list[Path]:
    report.lines[table.name] = 0
    if not table.daily:
        file = folder / f"{table.name}.parquet"
        if file.is_file():
            return [file]
        report.add(Problem("missing-file", file.name, "is not there"))
        return []
    days = folder / table.name
    if not days.is_dir():
        report.add(Problem("missing-file", f"{table.name}/", "is not there: a file for each day"))
        return []
    files = sorted(days.glob("*.parquet"))
    if not files:
        report.add(Problem("missing-file", f"{table.name}/", "holds no day"))
    for file in files:
        if not is_day(file.stem):
            name = f"{table.name}/{file.name}"
            report.add(Problem("bad-day-name", name, "is not named after a day, as 2026-01-31"))
    return files


def _read(file: Path, name: str, table: Table, report: Report) -> pl.DataFrame | None:
    """The lines in the layout's types, as far as the columns go; every problem is reported."""
    report.files += 1
    try:
        lazy = scan(file)
        frame = _conform(lazy, name, table, report).collect()
    except (DatasetError, pl.exceptions.PolarsError) as error:
        report.add(Problem("unreadable", name, str(error).splitlines()[0]))
        return None
    report.lines[table.name] += frame.height
    if frame.height == 0 and not table.daily:
        report.add(Problem("empty-table", name, "has no lines"))
    _apply(checks_of(table, frame.columns, file.stem), frame, name, report)
    return frame


def _conform(lazy: pl.LazyFrame, name: str, table: Table, report: Report) -> pl.LazyFrame:
    found = lazy.collect_schema()
    chosen: list[pl.Expr] = []
    for column in table.columns:
        dtype = found.get(column.name)
        if dtype is None:
            _missing(column, name, table, found, report)
        elif not column.accepts(dtype):
            why = f"holds {dtype}, not {column.words}"
            report.add(Problem("wrong-type", name, why, column=column.name))
        else:
            chosen.append(cast(column.name, table, dtype))
    return lazy.select(chosen)


def _missing(column: Column, name: str, table: Table, found: pl.Schema, report: Report) -> None:
    strangers = [other for other in found if other not in table.schema]
    close = get_close_matches(column.name, strangers, n=1, cutoff=0.8)
    hint = f"; is {close[0]!r} meant for it?" if close else ""
    if not column.optional:
        why = f"the column is not there ({column.words}){hint}"
        report.add(Problem("missing-column", name, why, column=column.name))
    elif close:
        why = f"the optional column is not there{hint}"
        report.add(Problem("misspelt-column", name, why, column=column.name, severity="warning"))


def _apply(checks: list[Check], frame: pl.DataFrame, name: str, report: Report) -> None:
    verdicts = frame.select(
        check.bad.fill_null(value=False).alias(str(i)) for i, check in enumerate(checks)
    )
    counts = verdicts.sum().row(0) if frame.height else ()
    for index, count in enumerate(counts):
        if not count:
            continue
        check = checks[index]
        lines = verdicts[str(index)].arg_true().head(report.room(check.kind)).to_list()
        values = frame[check.column].gather(lines).to_list()
        report.add_many(
            [
                Problem(
                    check.kind,
                    name,
                    check.reason(value),
                    line + 1,
                    check.column,
                    shown(value),
                    check.severity,
                )
                for line, value in zip(lines, values, strict=True)
            ],
            check.kind,
            count,
            check.severity,
        )
