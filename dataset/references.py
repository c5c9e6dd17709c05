"""What must agree between the files of a data folder: ids that refer, ids that must be unique."""

from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from dataset.folder import conditions
from dataset.report import Problem, Report, Severity, shown
from dataset.schema import ENTITIES, EVENTS, IMPRESSIONS, ROWS, Table
from genpage.errors import InputError
from genpage.row import MEMBER_ROW_KINDS, Where

_WHERE = TypeAdapter(Where)
_CONDITIONS = frozenset(Where.__dataclass_fields__)


class References:
    """Remembers the ids of the files held so far. Mutated by `hold`; one owner.

    Catalog files come first, so that a day's ids can be looked up at once.
    """

    def __init__(self, folder: Path, report: Report) -> None:
        self._folder = folder
        self._report = report
        self._entities: pl.Series | None = None
        self._rows: pl.Series | None = None
        # Unique over all days, as hashes: (hash, file, line). A year of ids would not fit as text,
        # and two different ids of equal hash are one chance in thousands at 100 million events.
        self._seen: dict[str, list[pl.DataFrame]] = {"event_id": [], "page_id": []}
        self._files: list[str] = []

    def hold(self, table: Table, frame: pl.DataFrame, file: str) -> None:
        """Check one file's lines against what is known, and remember their ids."""
        if table is ENTITIES and "id" in frame.columns:
            self._entities = frame["id"].drop_nulls().unique()
        elif table is ROWS:
            self._hold_rows(frame, file)
        elif table is EVENTS:
            self._dangling(frame, file, "entity_id", self._entities, "warning")
            self._remember(frame, file, "event_id")
        elif table is IMPRESSIONS:
            self._dangling(frame, file, "entity_id", self._entities, "error")
            self._dangling(frame, file, "row_id", self._rows, "error")
            if "page_id" in frame.columns:
                self._remember(frame, file, "page_id", once=True)

    def finish(self) -> None:
        """Report the ids that stand in more than one place over all days."""
        for column, frames in self._seen.items():
            if not frames:
                continue
            seen = pl.concat(frames)
            again = seen.filter(~pl.col("hash").is_first_distinct())
            kind = "duplicate-id" if column == "event_id" else "page-on-two-days"
            why = (
                "stands twice"
                if column == "event_id"
                else "has lines in an earlier day's file as well"
            )
            examples = [
                Problem(
                    kind, self._files[file], why, line + 1, column, self._value(file, line, column)
                )
                for file, line in again.head(self._report.room(kind))
                .select("file", "line")
                .iter_rows()
            ]
            if again.height:
                self._report.add_many(examples, kind, again.height, "error")

    def _value(self, file: int, line: int, column: str) -> str:
        lines = pl.scan_parquet(self._folder / self._files[file], glob=False)
        return shown(lines.select(column).slice(line, 1).collect().item())

    def _hold_rows(self, frame: pl.DataFrame, file: str) -> None:
        if "id" in frame.columns:
            self._rows = frame["id"].drop_nulls().unique()
        if "where" in frame.columns:
            for line, where in enumerate(frame["where"].to_list(), 1):
                for why in malformed(where):
                    self._report.add(Problem("bad-where", file, why, line, "where", shown(where)))
        if {"where", "kind"} <= set(frame.columns):
            self._unused_conditions(frame, file)
        if "entity_ids" in frame.columns and self._entities is not None:
            known = set(self._entities.to_list())
            for line, ids in enumerate(frame["entity_ids"].to_list(), 1):
                strangers = [identifier for identifier in ids or () if identifier not in known]
                if strangers:
                    self._report.add(
                        Problem(
                            "unknown-entity",
                            file,
                            f"names {len(strangers)} entities that entities.parquet lacks",
                            line,
                            "entity_ids",
                            shown(strangers[0]),
                        )
                    )

    def _unused_conditions(self, frame: pl.DataFrame, file: str) -> None:
        lines = zip(frame["kind"].to_list(), frame["where"].to_list(), strict=True)
        for line, (kind, where) in enumerate(lines, 1):
            if kind in MEMBER_ROW_KINDS and any(
                (where or {}).values() if isinstance(where, dict) else (where,)
            ):
                why = f"is not used: a row of kind {kind} is filled from the member or the counts"
                self._report.add(
                    Problem("unused-where", file, why, line, "where", shown(where), "warning")
                )

    def _dangling(
        self,
        frame: pl.DataFrame,
        file: str,
        column: str,
        known: pl.Series | None,
        severity: Severity,
    ) -> None:
        if known is None or column not in frame.columns:
            return
        noun = column.removesuffix("_id")
        kind = f"unknown-{noun}" if severity == "error" else f"event-of-unknown-{noun}"
        strangers = (
            frame.select(pl.col(column))
            .with_row_index("line")
            .filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(known.implode()))
        )
        if strangers.height:
            plural = "entities" if noun == "entity" else "rows"
            examples = [
                Problem(
                    kind,
                    file,
                    f"{plural}.parquet has no such {noun}",
                    line + 1,
                    column,
                    shown(value),
                    severity,
                )
                for line, value in strangers.head(self._report.room(kind)).iter_rows()
            ]
            self._report.add_many(examples, kind, strangers.height, severity)

    def _remember(self, frame: pl.DataFrame, file: str, column: str, *, once: bool = False) -> None:
        if column not in frame.columns:
            return
        lines = frame.select(column).with_row_index("line").drop_nulls()
        if once:
            lines = lines.unique(column, keep="first", maintain_order=True)
        self._files.append(file)
        self._seen[column].append(
            lines.select(
                pl.col(column).hash().alias("hash"),
                pl.lit(len(self._files) - 1, pl.UInt32).alias("file"),
                "line",
            )
        )


def malformed(where: object) -> list[str]:
    """What is wrong with a row's conditions; empty where nothing is."""
    if where is None:
        return []
    try:
        document = conditions(where)
    except InputError as error:
        return [str(error)]
    if not isinstance(document, dict):
        return ["is no set of conditions"]
    reasons = [
        f"has the unknown condition {name!r}; there are {', '.join(sorted(_CONDITIONS))}"
        for name in document
        if name not in _CONDITIONS
    ]
    try:
        parsed = _WHERE.validate_python(document)
    except ValidationError as error:
        worst = error.errors()[0]
        return [*reasons, f"{'.'.join(str(part) for part in worst['loc'])}: {worst['msg']}"]
    first, last = parsed.year_from, parsed.year_to
    if first is not None and last is not None and first > last:
        reasons.append("year_from is after year_to")
    if parsed.released_within_days is not None and parsed.released_within_days <= 0:
        reasons.append("released_within_days is not above 0")
    return reasons
