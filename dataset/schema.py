"""The layout of a data folder in one place: its tables, their columns, and what a column holds.

``validation`` holds a folder against these tables, ``folder`` casts what it reads to them, and
``write`` what it writes. Times are Unix seconds UTC, durations seconds, positions count from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

ColumnKind = Literal[
    "string", "integer", "position", "number", "boolean", "strings", "numbers", "where"
]

# What a row's `where` may say; the fields of `genpage.row.Where`.
WHERE = pl.Struct(
    {
        "genres_all": pl.List(pl.String),
        "genres_any": pl.List(pl.String),
        "kinds": pl.List(pl.String),
        "year_from": pl.Int64,
        "year_to": pl.Int64,
        "released_within_days": pl.Float64,
        "languages": pl.List(pl.String),
    }
)
_DTYPES: dict[ColumnKind, pl.DataType] = {
    "string": pl.String(),
    "integer": pl.Int64(),
    "position": pl.Int32(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "strings": pl.List(pl.String),
    "numbers": pl.List(pl.Float64),
    "where": WHERE,
}
_WORDS: dict[ColumnKind, str] = {
    "string": "strings",
    "integer": "integers",
    "position": "integers",
    "number": "numbers",
    "boolean": "booleans",
    "strings": "lists of strings",
    "numbers": "lists of numbers",
    "where": "structs or JSON documents of conditions",
}


_TEXT = (pl.String, pl.Categorical, pl.Enum)
# Whether a type, and the type inside where it is a list, can stand for a column of this kind. A
# list of nulls is one that is empty on every line.
_ACCEPTS: dict[ColumnKind, Callable[[pl.DataType, pl.DataType | None], bool]] = {
    "string": lambda dtype, _: isinstance(dtype, _TEXT),
    "integer": lambda dtype, _: dtype.is_integer(),
    "position": lambda dtype, _: dtype.is_integer(),
    "number": lambda dtype, _: dtype.is_numeric(),
    "boolean": lambda dtype, _: isinstance(dtype, pl.Boolean),
    "strings": lambda _, inner: isinstance(inner, (*_TEXT, pl.Null)),
    "numbers": lambda _, inner: (
        inner is not None and (inner.is_numeric() or isinstance(inner, pl.Null))
    ),
    "where": lambda dtype, _: isinstance(dtype, (pl.Struct, pl.String)),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it holds, whether a table may lack it, whether a line may leave it empty."""

    name: str
    kind: ColumnKind
    optional: bool = False
    nullable: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """The type that is read and written."""
        return _DTYPES[self.kind]

    @property
    def words(self) -> str:
        """What the column holds, for a message."""
        return _WORDS[self.kind]

    def accepts(self, dtype: pl.DataType) -> bool:
        """Whether a file's own type can stand for this column's; any width of a number can."""
        if isinstance(dtype, pl.Null):
            return self.nullable
        inner = dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else None
        return _ACCEPTS[self.kind](dtype, inner if isinstance(inner, pl.DataType) else None)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the layout: one file, or one file a day in the folder ``name``."""

    name: str
    columns: tuple[Column, ...]
    daily: bool = False

    @property
    def schema(self) -> pl.Schema:
        """Column name -> type, in the layout's order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def column(self, name: str) -> Column:
        """The column of that name; `KeyError` where there is none."""
        return {column.name: column for column in self.columns}[name]


def _optional(name: str, kind: ColumnKind) -> Column:
    return Column(name, kind, optional=True, nullable=True)


ENTITIES = Table(
    "entities",
    (
        Column("id", "string"),
        Column("kind", "string"),
        Column("title", "string"),
        Column("synopsis", "string", nullable=True),
        Column("genres", "strings"),
        Column("cast", "strings"),
        Column("year", "integer", nullable=True),
        Column("languages", "strings"),
        Column("countries", "strings"),
        Column("maturity", "integer"),
        Column("released_at", "number", nullable=True),
        _optional("available_from", "number"),
        _optional("available_until", "number"),
        _optional("duration_s", "number"),
        _optional("live_from", "number"),
        _optional("live_until", "number"),
        _optional("vector", "numbers"),
    ),
)
ROWS = Table(
    "rows",
    (
        Column("id", "string"),
        Column("kind", "string"),
        Column("title", "string"),
        _optional("where", "where"),
        _optional("entity_ids", "strings"),
        _optional("pinned_position", "integer"),
    ),
)
PROFILES = Table(
    "profiles",
    (
        Column("user_id", "string"),
        Column("language", "string", nullable=True),
        Column("profile_type", "string"),
        Column("country", "string", nullable=True),
        Column("maturity", "integer"),
        Column("created_at", "number"),
    ),
)
EVENTS = Table(
    "events",
    (
        Column("event_id", "string"),
        Column("user_id", "string"),
        Column("entity_id", "string"),
        Column("action", "string"),
        Column("ts", "number"),
        _optional("duration_s", "number"),
        _optional("page_id", "string"),
        _optional("row_id", "string"),
        _optional("row_pos", "position"),
        _optional("col_pos", "position"),
    ),
    daily=True,
)
IMPRESSIONS = Table(
    "impressions",
    (
        Column("page_id", "string"),
        Column("user_id", "string"),
        Column("ts", "number"),
        Column("row_pos", "position"),
        Column("col_pos", "position"),
        Column("row_id", "string"),
        Column("entity_id", "string"),
        Column("propensity", "number"),
        _optional("seen", "boolean"),
        _optional("action", "string"),
        _optional("duration_s", "number"),
        Column("device", "string"),
        Column("locale", "string", nullable=True),
        Column("simulated", "boolean"),
        # The share of choices that the server declared to draw: 0 where it decided all of them.
        _optional("explored", "number"),
    ),
    daily=True,
)
TABLES = (ENTITIES, ROWS, PROFILES, EVENTS, IMPRESSIONS)
