"""Simulated pages, feedback and engagements as the layout's tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataset.schema import IMPRESSIONS
from genpage.event import Action
from simulation.behaviour import OUTCOMES
from simulation.truth import Ints, Times


@dataclass(frozen=True)
class Names:
    """What positions stand for, as columns to gather from."""

    entities: pl.Series
    rows: pl.Series
    members: pl.Series


@dataclass(frozen=True)
class Shown:
    """A batch of pages and what came of them; (B,) by page, (B, K, C) by place."""

    page_id: pl.Series
    member: Ints
    at: Times
    device: pl.Series
    locale: pl.Series
    rows: Ints  # (B, K)
    entities: Ints
    propensity: Times
    seen: NDArray[np.bool_]
    outcome: Ints  # positions in `OUTCOMES`, -1 for none
    watched_s: Times


@dataclass(frozen=True, slots=True)
class Done:
    """An engagement on its way into the event log; ids are positions, ``place`` is on the page."""

    member: int
    entity: int
    action: Action
    ts: float
    watched_s: float | None = None
    page_id: str | None = None
    row: int | None = None
    row_pos: int | None = None
    col_pos: int | None = None


def impression_table(shown: Shown, names: Names) -> pl.DataFrame:
    """One line an impressed entity, page by page in reading order."""
    page, row_pos, col_pos = np.nonzero(shown.entities >= 0)
    outcome = shown.outcome[page, row_pos, col_pos]
    action = pl.Series(outcome).cast(pl.Int16)
    watched = shown.watched_s[page, row_pos, col_pos]
    by_page = pl.Series(page)
    return pl.DataFrame(
        {
            "page_id": shown.page_id.gather(by_page),
            "user_id": names.members.gather(pl.Series(shown.member[page])),
            "ts": shown.at[page],
            "row_pos": row_pos.astype(np.int32),
            "col_pos": col_pos.astype(np.int32),
            "row_id": names.rows.gather(pl.Series(shown.rows[page, row_pos])),
            "entity_id": names.entities.gather(pl.Series(shown.entities[page, row_pos, col_pos])),
            "propensity": shown.propensity[page, row_pos, col_pos],
            "seen": shown.seen[page, row_pos, col_pos],
            "action": pl.Series(OUTCOMES).gather(action.set(action < 0, None)),
            "duration_s": pl.Series(watched).set(pl.Series(watched <= 0), None),
            "device": shown.device.gather(by_page),
            "locale": shown.locale.gather(by_page),
            "simulated": np.ones(len(page), np.bool_),
            # The logging policy draws every row and title.
            "explored": np.ones(len(page)),
        }
    )


def no_impressions() -> pl.DataFrame:
    """The table of a day on which nobody came."""
    return pl.DataFrame(schema=IMPRESSIONS.schema)


def event_table(done: Sequence[Done], first: int, names: Names) -> pl.DataFrame:
    """Events by time; ids count on from ``first``."""
    ordered = sorted(done, key=lambda one: one.ts)
    rows = pl.Series([one.row for one in ordered], dtype=pl.Int32)
    return pl.DataFrame(
        {
            "event_id": [f"e-{number:08d}" for number in range(first, first + len(ordered))],
            "user_id": names.members.gather(pl.Series([o.member for o in ordered], dtype=pl.Int32)),
            "entity_id": names.entities.gather(
                pl.Series([one.entity for one in ordered], dtype=pl.Int32)
            ),
            "action": pl.Series([one.action for one in ordered], dtype=pl.String),
            "ts": pl.Series([one.ts for one in ordered], dtype=pl.Float64),
            "duration_s": pl.Series([one.watched_s for one in ordered], dtype=pl.Float64),
            "page_id": pl.Series([one.page_id for one in ordered], dtype=pl.String),
            "row_id": names.rows.gather(rows),
            "row_pos": pl.Series([one.row_pos for one in ordered], dtype=pl.Int32),
            "col_pos": pl.Series([one.col_pos for one in ordered], dtype=pl.Int32),
        }
    )
