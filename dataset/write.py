"""Writing a data folder: beside its place first, then renamed, so nothing half-written is seen."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import polars as pl

from dataset.day import day_start
from dataset.schema import ENTITIES, EVENTS, IMPRESSIONS, PROFILES, ROWS, Table
from genpage.entity import Entity
from genpage.row import Row, Where
from genpage.staging import staged


class FolderWriter:
    """Writes tables into a folder that is not in its place yet. Get one from `new_folder`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entities(self, entities: Iterable[Entity]) -> None:
        """Write the catalog's entities, in the given order."""
        self._write(ENTITIES, frame_of(ENTITIES, entities), self.path / "entities.parquet")

    def rows(self, rows: Iterable[Row]) -> None:
        """Write the catalog's rows; a condition that is not set is null."""
        self._write(ROWS, frame_of(ROWS, rows), self.path / "rows.parquet")

    def profiles(self, profiles: pl.DataFrame) -> None:
        """Write the members."""
        self._write(PROFILES, profiles, self.path / "profiles.parquet")

    def events(self, day: str, events: pl.DataFrame) -> None:
        """Write one UTC day's events."""
        self._write_day(EVENTS, day, events)

    def impressions(self, day: str, impressions: pl.DataFrame) -> None:
        """Write one UTC day's impressions."""
        self._write_day(IMPRESSIONS, day, impressions)

    def _write_day(self, table: Table, day: str, frame: pl.DataFrame) -> None:
        day_start(day)
        folder = self.path / table.name
        folder.mkdir(exist_ok=True)
        self._write(table, frame, folder / f"{day}.parquet")

    def _write(self, table: Table, frame: pl.DataFrame, file: Path) -> None:
        if frame.schema != table.schema:
            absent = [
                pl.lit(None, dtype=column.dtype).alias(column.name)
                for column in table.columns
                if column.optional and column.name not in frame.columns
            ]
            frame = frame.with_columns(absent).select(
                pl.col(name).cast(dtype) for name, dtype in table.schema.items()
            )
        frame.write_parquet(file, compression="zstd", compression_level=1)


@contextmanager
def new_folder(path: Path | str, *, force: bool = False) -> Iterator[FolderWriter]:
    """A writer whose folder takes its place at ``path`` when the block ends well.

    An existing ``path`` is refused (`UsageError`) unless ``force``, and then stays until the new
    one is complete. When the block fails or is interrupted, nothing is left behind; what a killed
    run left is cleared by the next.
    """
    with staged(Path(path), force=force) as unfinished:
        yield FolderWriter(unfinished)


def frame_of(table: Table, nouns: Iterable[Entity] | Iterable[Row]) -> pl.DataFrame:
    """One line a noun; polars takes lists where the nouns hold tuples."""
    schema = table.schema
    lines = [{name: _plain(getattr(noun, name)) for name in schema} for noun in nouns]
    return pl.DataFrame(lines, schema=schema)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Where):
        return {name: _plain(held) for name, held in asdict(value).items() if held != ()}
    return value
