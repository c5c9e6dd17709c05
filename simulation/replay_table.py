"""Pages that were made up over real events, as lines of the data layout.

Shape legend: K rows of a page, C places of a row, N lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from dataset.schema import IMPRESSIONS
from genpage.catalog import Catalog
from simulation.replay_policy import COLUMNS, ReplayedPage


@dataclass(frozen=True, slots=True)
class Seat:
    """Where on a page the title of an event stood."""

    page_id: str
    row_id: str
    row_pos: int
    col_pos: int


class ReplayTable:
    """Pages as lines of the layout."""

    def __init__(self, catalog: Catalog) -> None:
        self._entity_ids = pl.Series([entity.id for entity in catalog.entities], dtype=pl.String)
        self._row_ids = pl.Series([row.id for row in catalog.rows], dtype=pl.String)

    def frame(self, pages: Sequence[ReplayedPage]) -> pl.DataFrame:
        """One line an impression."""
        if not pages:
            return pl.DataFrame(schema=IMPRESSIONS.schema)
        sizes = [page.entities.size for page in pages]
        of_page = np.repeat(np.arange(len(pages)), sizes)  # (N,)
        row_pos = np.concatenate([np.repeat(np.arange(len(p.rows)), COLUMNS) for p in pages])
        looked = np.concatenate([page.looked.ravel() for page in pages])
        actions: list[str | None] = [None] * len(of_page)
        durations: list[float | None] = [None] * len(of_page)
        for start, page in zip(np.cumsum([0, *sizes]).tolist(), pages, strict=False):
            for (row, column), event in page.acts.items():
                line = start + row * COLUMNS + column
                actions[line], durations[line] = event.action, event.duration_s
                looked[line] = True
        rows = np.concatenate([np.repeat(page.rows, COLUMNS) for page in pages])
        entities = np.concatenate([page.entities.ravel() for page in pages])
        return pl.DataFrame(
            {
                "page_id": pl.Series([page.page_id for page in pages]).gather(of_page),
                "user_id": pl.Series([page.user_id for page in pages]).gather(of_page),
                "ts": np.array([page.at for page in pages])[of_page],
                "row_pos": row_pos,
                "col_pos": np.tile(np.arange(COLUMNS), len(of_page) // COLUMNS),
                "row_id": self._row_ids.gather(rows),
                "entity_id": self._entity_ids.gather(entities),
                "propensity": np.concatenate([page.propensity.ravel() for page in pages]),
                "seen": looked,
                "action": actions,
                "duration_s": durations,
                "device": pl.Series([page.device for page in pages]).gather(of_page),
                "locale": pl.repeat("en", len(of_page), eager=True),
                "simulated": np.ones(len(of_page), np.bool_),
                # The made-up policy draws every row and title.
                "explored": np.ones(len(of_page)),
            },
            schema=IMPRESSIONS.schema,
        )

    def seats(self, pages: Sequence[ReplayedPage]) -> dict[str, Seat]:
        """The seats of the acts, by event id."""
        return {
            event.event_id: Seat(page.page_id, self._row_ids[int(page.rows[row])], row, column)
            for page in pages
            for (row, column), event in page.acts.items()
        }
