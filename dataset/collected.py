"""Days of impressions and events out of served pages and what members did: the collected layout.

A day may be written again: what is told anew takes the place of what stood there of the same page
or event, the rest stays. So whoever collects may begin again anywhere, and every page stands once.
A day's impressions are many times what their pages are: they are made and written in parts.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from dataset.attribution import Attribution, Outcome, Place
from dataset.checks import checks_of
from dataset.day import day_of
from dataset.schema import ENTITIES, EVENTS, IMPRESSIONS, PROFILES, ROWS, WHERE, Table
from dataset.write import frame_of
from genpage.catalog_changes import Change
from genpage.entity import Entity
from genpage.errors import DatasetError
from genpage.event import Event
from genpage.profile import Profile
from genpage.row import Row
from genpage.served_page import ServedPage
from genpage.staging import UNFINISHED, replacing, write_whole

# Beside the tables: how far the log was read.
PROGRESS: Final = "collected.json"
# So many pages are impressions at once: of 10 x 20 some 20 MB.
_PART: Final = 1_000
# The parts of a file that is not finished, below the folder.
_PARTS: Final = ".parts"


@dataclass(frozen=True, slots=True)
class Gathered:
    """A day's pages and events, each once, with what lies behind them as far as the window.

    ``simulated`` are the members who were simulated; ``following`` the next days' pages, which an
    event behind the day may be the answer to instead.
    """

    day: str
    pages: Sequence[ServedPage]
    events: Sequence[Event]
    simulated: Collection[str] = ()
    following: Sequence[ServedPage] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What a day's files hold now, and what was left out.

    ``left_out`` are impressions that no catalog tells of, ``impossible`` pages with a propensity of
    0, and ``invalid`` other pages and events that are not as the layout has them.
    """

    day: str
    pages: int
    impressions: int
    acted: int
    events: int
    left_out: int
    invalid: int = 0
    impossible: int = 0


class CollectedFolder:
    """Writes a data folder day by day; each file appears whole or not at all."""

    def __init__(self, path: Path, window_s: float) -> None:
        self.path = path
        self._window_s = window_s
        # Whom the files do not hold any more, until when.
        self._erased: dict[str, float] = {}

    def clear(self) -> None:
        """Remove what a crash left half written, where one has the folder to oneself."""
        shutil.rmtree(self.path / _PARTS, ignore_errors=True)
        for unfinished in self.path.rglob(f".*{UNFINISHED}"):
            unfinished.unlink(missing_ok=True)

    @property
    def since(self) -> float | None:
        """From when on (Unix seconds) the log is to be read for what the folder lacks.

        None for all of it. By when messages were written: the days themselves follow the clocks of
        whoever asked for pages.
        """
        file = self.path / PROGRESS
        try:
            since = json.loads(file.read_bytes())["since"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{file} does not say from when on to read ({error!r}); remove it to read all"
            ) from error
        if not isinstance(since, int | float):
            raise DatasetError(f"{file}: since is no number; remove the file to read all")
        return float(since)

    def reached(self, since: float) -> None:
        """What was written to the log before ``since`` (Unix seconds) is in the folder."""
        write_whole(self.path / PROGRESS, json.dumps({"since": since}).encode() + b"\n")

    def erase(self, erased: Mapping[str, float]) -> None:
        """Take members' lines out of all days and profiles, up to when they were erased."""
        new = {user: at for user, at in erased.items() if self._erased.get(user, -1.0) < at}
        if not new:
            return
        self._erased.update(new)
        schema = {"user_id": pl.String, "erased": pl.Float64}
        gone = pl.DataFrame(list(new.items()), schema=schema, orient="row")
        for table in (IMPRESSIONS, EVENTS):
            for file in sorted((self.path / table.name).glob("*.parquet")):
                _take_out(gone, file, "ts")
        if (self.path / f"{PROFILES.name}.parquet").exists():
            _take_out(gone, self.path / f"{PROFILES.name}.parquet", "created_at")
            self._add_strangers(self._shown_since(new))

    def _shown_since(self, erased: Mapping[str, float]) -> dict[str, float]:
        """When erased members that came back were shown their first page."""
        files = sorted((self.path / IMPRESSIONS.name).glob("*.parquet"))
        members = pl.Series(list(erased), dtype=pl.String)
        found: dict[str, float] = {}
        for file in files:
            lines = pl.scan_parquet(file).filter(pl.col("user_id").is_in(members.implode()))
            for user, at in lines.select("user_id", "ts").collect().iter_rows():
                found[user] = min(at, found.get(user, at))
        return found

    def catalog(self, known: Iterable[Change]) -> None:
        """Add the entities and rows that the folder lacks; withdrawn ones stay, for old pages."""
        nouns = list(known)
        entities = [noun for noun in nouns if isinstance(noun, Entity)]
        rows = [noun for noun in nouns if isinstance(noun, Row)]
        there = set(self._add(ENTITIES, frame_of(ENTITIES, entities), "id")["id"])
        kept = [row for row in rows if there.issuperset(row.entity_ids or ())]
        pinned = self._held(ROWS)["pinned_position"].drop_nulls().to_list()
        lines = frame_of(ROWS, kept).with_columns(
            # A place is pinned once; who came first keeps it.
            pl.when(
                pl.col("pinned_position").is_in(pinned)
                | ~pl.col("pinned_position").is_first_distinct()
            )
            .then(None)
            .otherwise(pl.col("pinned_position"))
            .alias("pinned_position")
        )
        self._add(ROWS, lines, "id")

    def profiles(self, known: Iterable[Profile]) -> None:
        """Write members' profiles; of the others what the folder has stays."""
        fresh, _ = _valid(PROFILES, "", _profiles(known), "user_id")
        held = self._held(PROFILES)
        others = held.filter(~pl.col("user_id").is_in(fresh["user_id"].implode()))
        if fresh.height:
            _write(pl.concat([others, fresh]), self.path / f"{PROFILES.name}.parquet")

    def day(self, gathered: Gathered) -> Written:
        """Write a day's impressions and events."""
        events, bad_events = self._merge(EVENTS, gathered.day, _events(gathered), "event_id")
        counted = self._impressions(gathered)
        file = pl.scan_parquet(self.path / IMPRESSIONS.name / f"{gathered.day}.parquet")
        pages, lines, acted = (
            file.select(pl.n_unique("page_id"), pl.len(), pl.count("action").alias("acted"))
            .collect(engine="streaming")
            .row(0)
        )
        # Of whom no profile is known, pages were made as for these.
        self._add_strangers({page.user_id: page.at for page in reversed(gathered.pages)})
        return Written(
            gathered.day,
            pages,
            lines,
            acted,
            events.height,
            counted.left_out,
            counted.invalid + bad_events,
            counted.impossible,
        )

    def _impressions(self, gathered: Gathered) -> "_Counted":
        """Write them; what was left out."""
        entities, rows = (self._held(table)["id"].implode() for table in (ENTITIES, ROWS))
        file = self.path / IMPRESSIONS.name / f"{gathered.day}.parquet"
        left_out = wrong = impossible = 0
        written: list[str] = []
        with _parts(self.path) as folder:
            for number, lines in enumerate(impressions(gathered, self._window_s)):
                known = lines.filter(
                    pl.col("entity_id").is_in(entities), pl.col("row_id").is_in(rows)
                )
                # What was shown had a chance; where 0 is told, nothing can be weighed by it.
                no_chance = known.filter(pl.col("propensity") == 0)["page_id"].unique()
                known_pages = known.filter(~pl.col("page_id").is_in(no_chance.implode()))
                impossible += len(no_chance)
                fresh, bad = _valid(IMPRESSIONS, gathered.day, known_pages, "page_id")
                left_out, wrong = left_out + lines.height - known.height, wrong + bad
                written += fresh["page_id"].unique().to_list()
                _write(fresh, folder / f"{number:06}.parquet")
            lines_of = pl.scan_parquet(folder / "*.parquet")
            if file.exists():
                ids = pl.Series(written, dtype=pl.String).implode()
                held = _whole(pl.scan_parquet(file), IMPRESSIONS)
                others = held.filter(~pl.col("page_id").is_in(ids))
                lines_of = others.merge_sorted(lines_of, "ts")
            _sink(lines_of, file)
        return _Counted(left_out, wrong, impossible)

    def _add_strangers(self, first: Mapping[str, float]) -> None:
        strangers = _profiles(Profile(user_id, ts=at) for user_id, at in first.items())
        self._add(PROFILES, strangers, "user_id")

    def _merge(
        self, table: Table, day: str, fresh: pl.DataFrame, key: str
    ) -> tuple[pl.DataFrame, int]:
        """What is ``fresh``, and what the day's file holds of other keys; how many were wrong."""
        fresh, wrong = _valid(table, day, fresh, key)
        file = self.path / table.name / f"{day}.parquet"
        if file.exists():
            held = pl.read_parquet(file).select(table.schema.names())
            others = held.filter(~pl.col(key).is_in(fresh[key].unique().implode()))
            fresh = pl.concat([others, fresh])
        fresh = fresh.sort("ts", key, maintain_order=True)
        _write(fresh, file)
        return fresh, wrong

    def _add(self, table: Table, fresh: pl.DataFrame, key: str) -> pl.DataFrame:
        held = self._held(table)
        fresh, _ = _valid(table, "", fresh, key)
        fresh = fresh.unique(key, keep="first", maintain_order=True)
        fresh = fresh.filter(~pl.col(key).is_in(held[key].implode()))
        file = self.path / f"{table.name}.parquet"
        if fresh.height or not file.exists():
            held = pl.concat([held, fresh])
            _write(held, file)
        return held

    def _held(self, table: Table) -> pl.DataFrame:
        file = self.path / f"{table.name}.parquet"
        if not file.exists():
            return pl.DataFrame(schema=table.schema)
        held = pl.read_parquet(file)
        if held.schema.get("where") == pl.String:
            held = held.with_columns(pl.col("where").str.json_decode(WHERE))
        return _whole(held.lazy(), table).collect()


@dataclass(frozen=True, slots=True)
class _Counted:
    """What of a day's impressions was left out: lines, pages, pages."""

    left_out: int
    invalid: int
    impossible: int


def impressions(gathered: Gathered, window_s: float) -> Iterator[pl.DataFrame]:
    """One line for each place that was sent, with what was done there; some pages at a time.

    In the order of pages' time. At least one frame.
    """
    pages = [*gathered.pages, *gathered.following]
    outcomes = Attribution(pages, window_s).outcomes(gathered.events)
    inside = sorted(gathered.pages, key=lambda page: (page.at, page.page_id))
    for first in range(0, max(1, len(inside)), _PART):
        yield _lines(inside[first : first + _PART], outcomes, gathered.simulated)


def _lines(
    pages: Sequence[ServedPage],
    outcomes: Mapping[tuple[str, Place], Outcome],
    simulated_users: Collection[str],
) -> pl.DataFrame:
    lines: dict[str, list[Any]] = {name: [] for name in IMPRESSIONS.schema}
    for page in pages:
        simulated = page.simulated or page.user_id in simulated_users
        for row_pos, row in enumerate(page.rows[: page.rows_sent]):
            for col_pos, entity_id in enumerate(row.entity_ids):
                outcome = outcomes.get((page.page_id, (row_pos, col_pos)))
                values = (
                    page.page_id,
                    page.user_id,
                    page.at,
                    row_pos,
                    col_pos,
                    row.row_id,
                    entity_id,
                    row.propensities[col_pos],
                    # Whether what nobody acted on was looked at is not known.
                    None if outcome is None else True,
                    None if outcome is None else outcome.action,
                    None if outcome is None else outcome.duration_s,
                    page.device,
                    page.locale,
                    simulated,
                    page.explored,
                )
                for name, value in zip(lines, values, strict=True):
                    lines[name].append(value)
    return pl.DataFrame(lines, schema=IMPRESSIONS.schema)


def _profiles(profiles: Iterable[Profile]) -> pl.DataFrame:
    lines = [
        {
            "user_id": profile.user_id,
            "language": profile.language,
            "profile_type": profile.profile_type,
            "country": profile.country,
            "maturity": profile.maturity,
            "created_at": profile.ts,
        }
        for profile in profiles
    ]
    return pl.DataFrame(lines, schema=PROFILES.schema)


def _events(gathered: Gathered) -> pl.DataFrame:
    names = list(EVENTS.schema)
    lines = [
        [getattr(event, name) for name in names]
        for event in gathered.events
        if day_of(event.ts) == gathered.day
    ]
    return pl.DataFrame(lines, schema=EVENTS.schema, orient="row")


def _valid(table: Table, day: str, frame: pl.DataFrame, key: str) -> tuple[pl.DataFrame, int]:
    """Without the keys of which a line is not as the layout has it, and how many those were."""
    checks = [each for each in checks_of(table, frame.columns, day) if each.severity == "error"]
    if not frame.height:
        return frame, 0
    bad = frame.select(
        pl.any_horizontal(each.bad.fill_null(value=False) for each in checks).alias("bad"), key
    )
    wrong = bad.filter(pl.col("bad"))[key].unique()
    kept = frame.filter(~pl.col(key).is_in(wrong.implode())) if len(wrong) else frame
    return kept, len(wrong)


def _take_out(gone: pl.DataFrame, file: Path, when: str) -> None:
    joined = pl.scan_parquet(file).join(
        gone.lazy(), on="user_id", how="left", maintain_order="left"
    )
    erased = pl.col("erased").is_not_null() & (pl.col(when) <= pl.col("erased"))
    if joined.select(erased.any()).collect(engine="streaming").item():
        _sink(joined.filter(~erased).drop("erased"), file)


def _whole(held: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """With columns that the layout has had since the file was written, empty."""
    names = held.collect_schema().names()
    absent = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in table.schema.items()
        if name not in names
    ]
    return held.with_columns(absent).select(
        pl.col(name).cast(dtype) for name, dtype in table.schema.items()
    )


def _write(frame: pl.DataFrame, file: Path) -> None:
    with replacing(file) as unfinished:
        frame.write_parquet(unfinished, compression="zstd", compression_level=1)


def _sink(lines: pl.LazyFrame, file: Path) -> None:
    """Write lines that are never all in memory."""
    with replacing(file) as unfinished:
        lines.sink_parquet(unfinished, compression="zstd", compression_level=1)


@contextmanager
def _parts(path: Path) -> Iterator[Path]:
    """An empty folder for parts of a file; whoever writes there has the data folder to itself."""
    folder = path / _PARTS
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
