"""What members did with impressed titles: on the page, and elsewhere soon after it.

One line an act and impression (`ACTS`): ``line`` is the impression's number, ``action`` what was
done, ``seconds`` watched (plays of one title on one page added up), ``share`` how much of it the
page is credited with.

An act on the page comes from the event log by page and title; an impression that bears an
``action`` that no event tells is believed. An act elsewhere (no page id) is credited to the latest
page within the window that showed the member the title, whether or not that page is among the
lines asked about: however a log is cut into parts, an act is credited once.
"""

from dataclasses import dataclass

import polars as pl

from training.rewards.declaration import Attribution

ACTS = ("line", "action", "seconds", "share")
# Nobody acts on a page that was opened longer ago.
LONGEST_VISIT_S = 6 * 3600.0
SHOWN_COLUMNS = (
    *("user_id", "ts", "page_id", "row_pos", "col_pos"),
    *("entity_id", "seen", "action"),
)
EVENT_COLUMNS = ("user_id", "entity_id", "action", "ts", "duration_s", "page_id")


@dataclass(frozen=True, slots=True)
class Dropped:
    """What could not be used, counted."""

    duplicate_lines: int = 0
    events_without_impression: int = 0

    def __add__(self, other: "Dropped") -> "Dropped":
        return Dropped(
            self.duplicate_lines + other.duplicate_lines,
            self.events_without_impression + other.events_without_impression,
        )


def numbered(impressions: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Each place of each page once, with its ``line`` number; and how many lines stood twice.

    Of two lines for one place the one with an action is kept, else the first.
    """
    ranked = impressions.with_columns(pl.col("action").is_null().alias("idle"))
    places = (
        ranked.sort("ts", "page_id", "row_pos", "col_pos", "idle", maintain_order=True)
        .unique(["page_id", "row_pos", "col_pos"], keep="first", maintain_order=True)
        .drop("idle")
        .with_row_index("line")
    )
    return places, len(impressions) - len(places)


def acts_of(
    lines: pl.DataFrame,
    events: pl.DataFrame,
    attribution: Attribution,
    around: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, int]:
    """The acts on ``lines`` (as `numbered`), and how many events name a page that is not there.

    ``events`` are those of the same days and of the window after them; ``around`` the impressions
    (`SHOWN_COLUMNS`) to which an act elsewhere may be owed instead. Those of the pages of ``lines``
    may be among them, and are passed over.
    """
    here = lines.select("line", "page_id", "entity_id").unique(
        ["page_id", "entity_id"], keep="first", maintain_order=True
    )
    on_pages = events.filter(pl.col("page_id").is_not_null())
    joined = on_pages.join(here, on=["page_id", "entity_id"], how="inner")
    # Of these lines' own time: early events may stand on the day before's pages, late ones on the
    # next one's.
    own = pl.col("ts").is_between(pl.lit(lines["ts"].min()) + LONGEST_VISIT_S, lines["ts"].max())
    lost = on_pages.filter(own & ~pl.col("page_id").is_in(lines["page_id"].unique().implode()))
    told = joined.select("line", "action", pl.col("duration_s").alias("seconds"))
    logged = (
        lines.filter(pl.col("action").is_not_null())
        .select("line", "action", pl.col("duration_s").alias("seconds"))
        .join(told, on=["line", "action"], how="anti")
    )
    parts = [pl.concat([told, logged]).with_columns(pl.lit(1.0).alias("share"))]
    if attribution.window_s > 0 and attribution.share > 0:
        parts.append(_elsewhere(_shown(lines, around), events, attribution))
    acts = (
        pl.concat(parts)
        .group_by("line", "action", "share", maintain_order=True)
        .agg(pl.col("seconds").sum())
        # Done on the page and again elsewhere: the page counts, other than for what was watched.
        .sort("line", "action", "share", descending=[False, False, True])
    )
    repeated = (pl.col("action") != "play") & pl.struct("line", "action").is_duplicated()
    kept = acts.filter(~repeated | (pl.col("share") == 1.0))
    return kept.select(ACTS), len(lost)


def elsewhere(lines: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The events off any page that these members had with these lines' titles."""
    pairs = lines.select("user_id", "entity_id").unique()
    away = events.filter(pl.col("page_id").is_null())
    return away.join(pairs, on=["user_id", "entity_id"], how="semi")


def _shown(lines: pl.DataFrame, around: pl.DataFrame | None) -> pl.DataFrame:
    """The seen titles of these pages, with their ``line``, and of others, without one."""
    known = lines.select(*SHOWN_COLUMNS, "line")
    if around is not None:
        others = around.join(lines.select("page_id").unique(), on="page_id", how="anti")
        nobody = pl.lit(None, known.schema["line"]).alias("line")
        known = pl.concat([known, others.select(*SHOWN_COLUMNS, nobody)])
    return known.filter(pl.col("seen").fill_null(value=True) | pl.col("action").is_not_null()).sort(
        "ts", "page_id", "row_pos", "col_pos"
    )


def _elsewhere(shown: pl.DataFrame, events: pl.DataFrame, attribution: Attribution) -> pl.DataFrame:
    return (
        events.filter(pl.col("page_id").is_null())
        .select("user_id", "entity_id", "action", "ts", pl.col("duration_s").alias("seconds"))
        .sort("ts")
        .join_asof(
            shown.select("user_id", "entity_id", "ts", "line"),
            on="ts",
            by=["user_id", "entity_id"],
            strategy="backward",
            tolerance=attribution.window_s,
            check_sortedness=False,  # both are sorted; by groups polars cannot tell
        )
        .filter(pl.col("line").is_not_null())
        .select("line", "action", "seconds", pl.lit(attribution.share).alias("share"))
    )
