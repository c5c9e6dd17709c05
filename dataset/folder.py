"""Reading a data folder."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from dataset.checks import checks_of
from dataset.day import day_start, is_day
from dataset.report import shown
from dataset.schema import ENTITIES, EVENTS, IMPRESSIONS, PROFILES, ROWS, Table
from genpage.catalog import Catalog
from genpage.documents import parse
from genpage.entity import Entity
from genpage.errors import DatasetError, InputError
from genpage.profile import Profile
from genpage.row import Row


class DataFolder:
    """A folder in the project's Parquet layout.

    Reading checks what it reads: the file, its columns, their types, and of profiles, events and
    impressions the values (`dataset.checks`); the first wrong one is a `DatasetError` with its
    place. `dataset.validation` lists all of them, and what no single file tells. Frames come with
    the layout's columns in its order and types: an optional column that a file lacks is there, and
    empty.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise DatasetError(f"{self.path} is no folder; give one in the data layout")

    def catalog(self) -> Catalog:
        """The entities and rows, as one snapshot in the files' order."""
        try:
            return Catalog.build(
                [
                    parse(Entity, document)
                    for document in self._read(ENTITIES).iter_rows(named=True)
                ],
                [
                    parse(Row, {**document, "where": conditions(document["where"])})
                    for document in self._read(ROWS).iter_rows(named=True)
                ],
            )
        except InputError as error:
            raise DatasetError(
                f"{self.path}: {error}; `genpage validate` lists every line"
            ) from error

    def profiles(self) -> pl.DataFrame:
        """The members, in the file's order."""
        return self._checked(self._read(PROFILES), self.path / f"{PROFILES.name}.parquet", PROFILES)

    def days(self) -> tuple[str, ...]:
        """The days that have events or impressions, in order."""
        names = {
            file.stem
            for table in (EVENTS, IMPRESSIONS)
            for file in (self.path / table.name).glob("*.parquet")
        }
        return tuple(sorted(name for name in names if is_day(name)))

    def events(
        self,
        first: str | None = None,
        last: str | None = None,
        *,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """The events of the days from ``first`` to ``last``, both included, sorted by ``ts``.

        ``columns`` reads only those: a year of events is large. Ties keep the files' order.
        """
        return self._read_days(EVENTS, first, last, columns)

    def impressions(
        self,
        first: str | None = None,
        last: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        page_ids: pl.Series | None = None,
    ) -> pl.DataFrame:
        """The impressions of the days from ``first`` to ``last``, both included, sorted by ``ts``.

        A page's lines share their ``ts`` and keep the file's order. ``page_ids`` reads, and checks,
        those pages alone.
        """
        return self._read_days(IMPRESSIONS, first, last, columns, page_ids)

    def digest(self, last: str | None = None) -> str:
        """The sha256 of all that a reader of the days up to ``last`` finds: names and contents."""
        tables = [self.path / f"{table.name}.parquet" for table in (ENTITIES, ROWS, PROFILES)]
        days = [
            file
            for table in (EVENTS, IMPRESSIONS)
            for file in sorted((self.path / table.name).glob("*.parquet"))
            if is_day(file.stem) and (last is None or file.stem <= last)
        ]
        return self._digest([*tables, *days])

    def digest_of_day(self, day: str) -> str:
        """The sha256 of a day's events and impressions: names and contents."""
        return self._digest(
            [self.path / table.name / f"{day}.parquet" for table in (EVENTS, IMPRESSIONS)]
        )

    def _digest(self, files: Sequence[Path]) -> str:
        """Of those files that are there."""
        digest = hashlib.sha256()
        for file in files:
            if file.is_file():
                with file.open("rb") as content:
                    found = hashlib.file_digest(content, "sha256").hexdigest()
                digest.update(f"{file.relative_to(self.path).as_posix()} {found}\n".encode())
        return digest.hexdigest()

    def _read_days(
        self,
        table: Table,
        first: str | None,
        last: str | None,
        columns: Sequence[str] | None,
        page_ids: pl.Series | None = None,
    ) -> pl.DataFrame:
        folder = self.path / table.name
        if not folder.is_dir():
            raise DatasetError(f"{self.path} has no folder {table.name}/ with a file for each day")
        for bound in (first, last):
            if bound is not None:
                day_start(bound)  # a malformed one is refused by name
        files = sorted(
            file
            for file in folder.glob("*.parquet")
            if is_day(file.stem)
            and (first is None or file.stem >= first)
            and (last is None or file.stem <= last)
        )
        schema = table.schema
        names = list(schema) if columns is None else list(columns)
        if not files:
            return pl.DataFrame(schema={name: schema[name] for name in names})
        wanted = dict.fromkeys((*names, "ts"))
        frames = [
            self._checked(_read_file(file, table, tuple(wanted), page_ids), file, table, page_ids)
            for file in files
        ]
        return pl.concat(frames).sort("ts", maintain_order=True).select(names)

    def _checked(
        self, frame: pl.DataFrame, file: Path, table: Table, page_ids: pl.Series | None = None
    ) -> pl.DataFrame:
        """The frame as it is; `DatasetError` names the first value that validation calls wrong.

        By its line in the file, of which the frame holds the pages ``page_ids``.
        """
        checks = [c for c in checks_of(table, frame.columns, file.stem) if c.severity == "error"]
        wrong = frame.select(check.bad.any().alias(str(i)) for i, check in enumerate(checks)).row(0)
        for check, is_wrong in zip(checks, wrong, strict=True):
            if is_wrong:
                if page_ids is not None:
                    frame = _read_file(file, table, tuple(frame.columns))
                line = frame.select(check.bad.fill_null(value=False)).to_series().arg_max() or 0
                value = frame[check.column][line]
                raise DatasetError(
                    f"{file}:{line + 1} {check.column}: {shown(value)} {check.reason(value)}; "
                    f"`genpage validate {self.path}` lists every line"
                )
        return frame

    def _read(self, table: Table) -> pl.DataFrame:
        file = self.path / f"{table.name}.parquet"
        if not file.is_file():
            raise DatasetError(f"{self.path} has no {table.name}.parquet")
        return _read_file(file, table, tuple(table.schema))


def conditions(where: object) -> object:
    """A row's ``where`` as a document: read from its JSON, conditions that are not set left out."""
    if isinstance(where, str):
        try:
            where = orjson.loads(where)
        except orjson.JSONDecodeError as error:
            raise InputError(f"row: where: not JSON: {error}") from error
    if isinstance(where, dict):
        return {key: value for key, value in where.items() if value is not None}
    return where


def scan(file: Path) -> pl.LazyFrame:
    """The file, lazily, once its header is read; `DatasetError` where it is not Parquet."""
    try:
        frame = pl.scan_parquet(file, glob=False)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(f"{file} is not readable as Parquet: {reason}") from error
    return frame


def cast(name: str, table: Table, dtype: pl.DataType) -> pl.Expr:
    """The column ``name`` in the layout's type, from a file's ``dtype`` that the layout accepts."""
    column = table.column(name)
    if column.kind == "where":
        return pl.col(name)
    if isinstance(dtype, pl.Array):
        return pl.col(name).arr.to_list().cast(column.dtype)
    return pl.col(name).cast(column.dtype)


def _read_file(
    file: Path, table: Table, names: Sequence[str], page_ids: pl.Series | None = None
) -> pl.DataFrame:
    frame = scan(file)
    found = frame.collect_schema()
    selected: list[pl.Expr] = []
    for name in names:
        column = table.column(name)
        if name not in found:
            if not column.optional:
                raise DatasetError(f"{file} has no column {name!r} ({column.words})")
            selected.append(pl.lit(None, dtype=column.dtype).alias(name))
        elif not column.accepts(found[name]):
            raise DatasetError(
                f"{file}: the column {name!r} holds {found[name]}, not {column.words}"
            )
        else:
            selected.append(cast(name, table, found[name]))
    if page_ids is not None:
        frame = frame.filter(pl.col("page_id").is_in(page_ids.implode()))
    try:
        return frame.select(selected).collect()
    except pl.exceptions.PolarsError as error:
        raise DatasetError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def profile_of(line: Mapping[str, Any]) -> Profile:
    """The profile in a line of ``profiles``, as the profile change that created the member."""
    return parse(Profile, {**line, "ts": line["created_at"]})
