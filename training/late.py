"""Pages whose feedback was not complete at a moment, and that training up to it must not see.

An impression's ``action`` bears no time, and a page that is shown before midnight may be acted on
after it. Such an act belongs to a day that the run must not know of. Its page is left out whole:
on a page that was made up around the acts of a real log (`simulation.replay`) even what is shown
tells of them.

An act's time is its event's: one on the same page; without any, the member's next one with that
title. An act with neither is taken to have come within `UNDATED_S` of its page.
"""

from dataclasses import dataclass
from typing import Self

import polars as pl

from dataset.day import day_of
from dataset.folder import DataFolder
from genpage.catalog import SECONDS_A_DAY

UNDATED_S = float(SECONDS_A_DAY)
_COLUMNS = ("page_id", "user_id", "entity_id", "ts")


@dataclass(frozen=True, slots=True, eq=False)
class LateActs:
    """Which pages were, or may have been, acted on at ``until`` (Unix seconds) or later."""

    until: float
    _events: pl.DataFrame  # since `UNDATED_S` before ``until``, by time
    _page_ids: pl.Series  # of the events since ``until``

    @classmethod
    def read(cls, folder: DataFolder, until: float) -> Self:
        """The acts of a folder around ``until``."""
        events = folder.events(day_of(until - UNDATED_S), columns=_COLUMNS)
        late = events.filter(pl.col("ts") >= until)["page_id"]
        return cls(until, events, late.drop_nulls().unique())

    def without(self, impressions: pl.DataFrame) -> pl.DataFrame:
        """The impressions of the other pages; ``ts`` of a page is when it was shown."""
        late = pl.concat([self._page_ids, self._undated(impressions)]).unique()
        return impressions.filter(~pl.col("page_id").is_in(late.implode()))

    def _undated(self, impressions: pl.DataFrame) -> pl.Series:
        """Recent pages with an act that has no event on them, and that may be a late one."""
        recent = pl.col("ts") > self.until - UNDATED_S
        acted = impressions.filter(recent & pl.col("action").is_not_null())
        on_page = self._events.filter(pl.col("page_id").is_not_null())
        next_acts = self._events.select("user_id", "entity_id", "ts", acted=pl.col("ts"))
        return (
            acted.select("page_id", "user_id", "entity_id", "ts")
            .join(on_page, on=("page_id", "entity_id"), how="anti")
            .sort("ts")
            .join_asof(
                next_acts,
                on="ts",
                by=("user_id", "entity_id"),
                strategy="forward",
                check_sortedness=False,  # both are sorted; by groups polars cannot tell
            )
            .filter(pl.col("acted").fill_null(self.until) >= self.until)["page_id"]
        )
