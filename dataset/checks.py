"""What the values of each table must hold, declared: one line a check.

``bad`` is true where a line is wrong; where it is null (the value is missing) nothing is said: a
missing value is the schema's business. Expressions see the layout's own types. `validation` lists
every line that fails one; `folder` reads no further than the first.
"""

from collections.abc import Collection
from dataclasses import dataclass
from unicodedata import category

import polars as pl

from dataset.day import day_of, day_start, is_day
from dataset.report import Severity
from dataset.schema import ENTITIES, EVENTS, IMPRESSIONS, PROFILES, ROWS, Table
from genpage.catalog import SECONDS_A_DAY
from genpage.entity import ENTITY_KINDS
from genpage.event import ACTIONS
from genpage.profile import PROFILE_TYPES
from genpage.request import DEVICES

_LONGEST_ID = 128
IDENTIFIER = f"1 to {_LONGEST_ID} printable characters"
_OLDEST_YEAR, _NEWEST_YEAR, _OLDEST_AGE = 1870, 2100, 120
# 5138-11-16; a larger number counts milliseconds or less.
_LATEST_SECOND = 1e11


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on the lines of a table: ``kind`` counts it, ``column`` shows the value."""

    kind: str
    column: str
    bad: pl.Expr
    why: str
    severity: Severity = "error"

    def reason(self, value: object) -> str:
        """Why ``value`` is wrong."""
        if self.kind == "other-day" and isinstance(value, float):
            return f"{self.why}, but on {day_of(value)}"
        return self.why


def checks_of(table: Table, found: Collection[str], file: str) -> list[Check]:
    """All checks that the columns ``found`` allow; ``file`` is the file's name without its end."""
    names = frozenset(found)
    checks = [*_null_checks(table), *CHECKS[table]]
    if table.daily and is_day(file):
        checks.append(_day_check(file))
    return [check for check in checks if names.issuperset(check.bad.meta.root_names())]


def _null_checks(table: Table) -> list[Check]:
    return [
        Check("null", column.name, pl.col(column.name).is_null(), "is empty")
        for column in table.columns
        if not column.nullable
    ]


def _day_check(day: str) -> Check:
    start = day_start(day)
    other = pl.col("ts").is_finite() & ~pl.col("ts").is_between(
        start, start + SECONDS_A_DAY, "left"
    )
    return Check("other-day", "ts", other, f"does not fall on the UTC day {day}")


def _known(kind: str, column: str, names: tuple[str, ...]) -> Check:
    return Check(kind, column, ~pl.col(column).is_in(names), f"is none of {', '.join(names)}")


def _identifier(column: str) -> Check:
    value = pl.col(column)
    bad = (value.str.len_chars() == 0) | (value.str.len_chars() > _LONGEST_ID)
    bad |= value.str.contains(r"\p{C}")
    return Check("bad-id", column, bad, f"is not {IDENTIFIER}")


def is_identifier(text: str) -> bool:
    """Whether ``text`` can be an id: the same condition for one value."""
    other = (category(letter).startswith("C") for letter in text)
    return 0 < len(text) <= _LONGEST_ID and not any(other)


def _unique(column: str) -> Check:
    # The first of equals is right, the later ones are wrong.
    return Check("duplicate-id", column, ~pl.col(column).is_first_distinct(), "stands twice")


def _finite(column: str) -> Check:
    return Check("not-finite", column, ~pl.col(column).is_finite(), "is NaN or infinite")


def _not_negative(column: str, kind: str) -> Check:
    return Check(kind, column, pl.col(column) < 0, "is negative")


def _time(column: str) -> tuple[Check, ...]:
    return (
        _finite(column),
        Check(
            "time-unit",
            column,
            pl.col(column).is_finite() & (pl.col(column).abs() > _LATEST_SECOND),
            "is too large for Unix seconds; milliseconds?",
        ),
    )


def _ordered(first: str, second: str) -> Check:
    return Check("empty-window", second, pl.col(second) <= pl.col(first), f"is not after {first}")


def _gaps(column: str) -> Check:
    holes = pl.col(column).list.eval(pl.element().is_null()).list.any()
    return Check("null", column, holes, "has an empty place in the list")


def _blank(column: str) -> Check:
    return Check("blank", column, pl.col(column).str.strip_chars() == "", "is blank")


def _country(column: str) -> Check:
    return Check(
        "bad-country",
        column,
        ~pl.col(column).str.contains(r"^[A-Z]{2}$"),
        "is no two-letter country code, as BR",
    )


def _age(column: str) -> Check:
    return Check(
        "bad-maturity",
        column,
        ~pl.col(column).is_between(0, _OLDEST_AGE),
        f"is no age in years, 0 to {_OLDEST_AGE}",
    )


_COUNTRIES = pl.col("countries").list.eval(~pl.element().str.contains(r"^[A-Z]{2}$")).list.any()
_VECTOR = pl.col("vector").list.eval(~pl.element().is_finite()).list.any()
_POSITIONS = ("row_pos", "col_pos")

CHECKS: dict[Table, tuple[Check, ...]] = {
    ENTITIES: (
        _identifier("id"),
        _unique("id"),
        _known("unknown-kind", "kind", ENTITY_KINDS),
        _blank("title"),
        *(_gaps(name) for name in ("genres", "cast", "languages", "countries", "vector")),
        Check(
            "bad-year",
            "year",
            ~pl.col("year").is_between(_OLDEST_YEAR, _NEWEST_YEAR),
            f"is not between {_OLDEST_YEAR} and {_NEWEST_YEAR}",
        ),
        Check("bad-country", "countries", _COUNTRIES, "has no two-letter country code, as BR"),
        _age("maturity"),
        *_time("released_at"),
        *_time("available_from"),
        *_time("available_until"),
        *_time("live_from"),
        *_time("live_until"),
        _ordered("available_from", "available_until"),
        _ordered("live_from", "live_until"),
        _finite("duration_s"),
        _not_negative("duration_s", "negative-duration"),
        Check("not-finite", "vector", _VECTOR, "holds NaN or an infinity"),
        Check(
            "vector-length",
            "vector",
            pl.col("vector").list.len() != pl.col("vector").drop_nulls().first().list.len(),
            "is not as long as the first vector",
        ),
        Check(
            "no-genres",
            "genres",
            pl.col("genres").list.len() == 0,
            "is empty: no genre row will hold it",
            "warning",
        ),
    ),
    ROWS: (
        _identifier("id"),
        _unique("id"),
        _blank("kind"),
        _blank("title"),
        _gaps("entity_ids"),
        _not_negative("pinned_position", "bad-position"),
        Check(
            "pinned-twice",
            "pinned_position",
            pl.col("pinned_position").is_not_null()
            & ~pl.col("pinned_position").is_first_distinct(),
            "is another row's place already",
        ),
    ),
    PROFILES: (
        _identifier("user_id"),
        _unique("user_id"),
        _known("unknown-profile-type", "profile_type", PROFILE_TYPES),
        _country("country"),
        _age("maturity"),
        *_time("created_at"),
    ),
    EVENTS: (
        _identifier("event_id"),
        _identifier("user_id"),
        _identifier("entity_id"),
        _known("unknown-action", "action", ACTIONS),
        *_time("ts"),
        _finite("duration_s"),
        _not_negative("duration_s", "negative-duration"),
        *(_not_negative(name, "bad-position") for name in _POSITIONS),
    ),
    IMPRESSIONS: (
        _identifier("page_id"),
        _identifier("user_id"),
        _identifier("entity_id"),
        *_time("ts"),
        *(_not_negative(name, "bad-position") for name in _POSITIONS),
        Check(
            "bad-propensity",
            "propensity",
            ~(pl.col("propensity").is_finite() & pl.col("propensity").is_between(0, 1, "right")),
            "is no probability in (0, 1]",
        ),
        Check(
            "bad-explored",
            "explored",
            ~(pl.col("explored").is_finite() & pl.col("explored").is_between(0, 1)),
            "is no share from 0 to 1",
        ),
        _known("unknown-action", "action", ACTIONS),
        _finite("duration_s"),
        _not_negative("duration_s", "negative-duration"),
        _known("unknown-device", "device", DEVICES),
        Check(
            "acted-unseen",
            "seen",
            ~pl.col("seen") & pl.col("action").is_not_null(),
            "is false, yet the member acted on it",
            "warning",
        ),
        *(
            Check(
                "torn-page",
                name,
                pl.col(name).ne_missing(pl.col(name).first()).over("page_id"),
                "differs from the page's other lines",
            )
            for name in ("user_id", "ts", "device", "locale", "simulated")
        ),
        Check(
            "torn-row",
            "row_id",
            (pl.col("row_id") != pl.col("row_id").first()).over("page_id", "row_pos"),
            "differs from the other lines at this place of the page",
        ),
        Check(
            "same-place",
            "col_pos",
            ~pl.struct("page_id", "row_pos", "col_pos").is_first_distinct(),
            "is taken already: the page has this place twice",
        ),
    ),
}
