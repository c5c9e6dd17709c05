"""Rewards as labels: which impressed lines are learnt from, and what each was worth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import polars as pl

from dataset.day import day_of, day_start
from dataset.folder import DataFolder
from genpage.catalog import SECONDS_A_DAY, Catalog
from training.labels import Aggregate
from training.rewards.acts import (
    EVENT_COLUMNS,
    SHOWN_COLUMNS,
    Dropped,
    acts_of,
    elsewhere,
    numbered,
)
from training.rewards.declaration import Rewards
from training.rewards.examination import COLUMNS, Examination
from training.rewards.terms import act_terms, line_rewards

# What is seen less often than this is not worth its tokens.
_LEAST_EXAMINED = 0.02
# Examination is estimated on so many of the newest days: it is the interface's, and changes slowly.
_EXAMINED_DAYS = 7


@dataclass(slots=True)
class Tally:
    """What was read and what could not be used; filled by `RewardLabels.lines`.

    ``gone_titles`` are lines with titles that the catalog has no more.
    """

    pages: int = 0
    without_feedback: int = 0
    gone_titles: int = 0
    dropped: Dropped = field(default_factory=Dropped)

    def left_out(self) -> Mapping[str, int]:
        """What a person is told, by what it is; nothing where there was none."""
        counts = {
            "pages without feedback": self.without_feedback,
            "lines of titles that left the catalog": self.gone_titles,
            "places logged twice": self.dropped.duplicate_lines,
            "events of pages that are not there": self.dropped.events_without_impression,
        }
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True, slots=True, eq=False)
class RewardLabels:
    """The reward system over one data folder; nothing that happened from ``until`` on is seen.

    ``rows`` bounds what is kept of a page: None keeps up to its last examined row, a number keeps
    so many rows, examined or not.
    """

    folder: DataFolder
    catalog: Catalog
    rewards: Rewards
    examination: Examination
    until: float = float("inf")
    rows: int | None = None
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def read(
        cls,
        folder: DataFolder,
        catalog: Catalog,
        rewards: Rewards,
        *,
        until: float = float("inf"),
        rows: int | None = None,
    ) -> Self:
        """With examination estimated from the newest days before ``until`` if anything needs it."""
        days = [day for day in folder.days() if day_start(day) < until][-_EXAMINED_DAYS:]
        examination = Examination.everywhere()
        impressions = [folder.impressions(day, day, columns=(*COLUMNS, "seen")) for day in days]
        if rewards.examination.source == "estimated" or any(
            day["seen"].null_count() for day in impressions
        ):
            examination = Examination.of(impressions)
        return cls(folder, catalog, rewards, examination, until, rows)

    @property
    def aggregate(self) -> Aggregate:
        """As declared."""
        return self.rewards.row.aggregate

    @property
    def counted(self) -> Mapping[str, int]:
        """What was noticed in all that `lines` were asked for."""
        return self.tally.left_out()

    def lines(self, impressions: pl.DataFrame) -> pl.DataFrame:
        """The lines to learn from, with ``weight`` = reward x the chance that it was seen."""
        valued = self.valued(impressions)
        if self.rows is not None:
            return valued.filter(pl.col("row_pos") < self.rows)
        return valued.with_columns(
            pl.col("row_pos")
            .filter(pl.col("examined") >= _LEAST_EXAMINED)
            .max()
            .over("page_id")
            .alias("last_examined")
        ).filter(pl.col("row_pos") <= pl.col("last_examined"))

    def valued(self, impressions: pl.DataFrame) -> pl.DataFrame:
        """All lines of some days' impressions with ``examined``, ``reward`` and ``weight``."""
        lines, twice = self.examined(impressions)
        acts, lost = self.acts(lines)
        terms = act_terms(self.with_lengths(acts, lines), self.rewards)
        tally = self.tally
        acted = lines.filter(pl.col("line").is_in(acts["line"].implode()))["page_id"].n_unique()
        tally.pages += lines["page_id"].n_unique()
        tally.without_feedback += lines["page_id"].n_unique() - acted
        known = self.catalog.entity_positions
        gone = [name for name in lines["entity_id"].unique() if name not in known]
        tally.gone_titles += int(lines["entity_id"].is_in(gone).sum())
        tally.dropped += Dropped(twice, lost)
        return line_rewards(lines, terms, self.rewards)

    def examined(self, impressions: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Each place once with the chance that it was seen, and how many lines stood twice."""
        lines, twice = numbered(impressions)
        guessed = self.examination.at(
            lines["row_pos"].to_numpy().astype(np.int64),
            lines["col_pos"].to_numpy().astype(np.int64),
        )
        estimate = pl.Series("examined", guessed, pl.Float64)
        if self.rewards.examination.source == "estimated":
            return lines.with_columns(estimate), twice
        return lines.with_columns(
            pl.col("seen").cast(pl.Float64).fill_null(estimate).alias("examined")
        ), twice

    def acts(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """What was done with these lines' titles, and how many events name a page not there."""
        if not len(lines):
            empty = self.folder.events("1970-01-01", "1970-01-01", columns=EVENT_COLUMNS)
            return acts_of(lines, empty, self.rewards.attribution)
        times = lines["ts"].to_numpy()
        # A page is acted on until the next day at least, and elsewhere within the window.
        span = max(self.rewards.attribution.window_s, SECONDS_A_DAY)
        last = min(float(times.max()) + span, self.until, 253402300799.0)
        events = self.folder.events(
            day_of(float(times.min())), day_of(last), columns=EVENT_COLUMNS
        ).filter(pl.col("ts") < self.until)
        around = self._around(lines, events)
        return acts_of(lines, events, self.rewards.attribution, around)

    def _around(self, lines: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame | None:
        """The impressions to which the acts elsewhere may be owed, a day after the other.

        None where there is no such act: then nothing is read.
        """
        attribution = self.rewards.attribution
        acts = elsewhere(lines, events)
        if not len(acts) or not attribution.window_s or not attribution.share:
            return None
        last = min(acts["ts"].to_numpy().max(), lines["ts"].to_numpy().max() + attribution.window_s)
        bounds = (day_of(float(lines["ts"].to_numpy().min())), day_of(float(last)))
        pairs = acts.select("user_id", "entity_id").unique()
        return pl.concat(
            self.folder.impressions(day, day, columns=SHOWN_COLUMNS)
            .filter(pl.col("ts") < self.until)
            .join(pairs, on=["user_id", "entity_id"], how="semi")
            for day in (bounds[0], *(d for d in self.folder.days() if bounds[0] < d <= bounds[1]))
        )

    def with_lengths(self, acts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
        """The acts with their title's ``length_s``, null where it has none or left the catalog."""
        lengths = {
            entity.id: entity.duration_s
            for entity in self.catalog.entities
            if entity.duration_s is not None and math.isfinite(entity.duration_s)
        }
        titles = lines.select(
            "line",
            pl.col("entity_id")
            .replace_strict(lengths, default=None, return_dtype=pl.Float64)
            .alias("length_s"),
        )
        return acts.join(titles, on="line", how="left", maintain_order="left")
