"""Logged pages, as they were served: what stood where, what that brought, how likely it was.

Shape legend: K titles of a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dataset.folder import DataFolder
from genpage.catalog import Catalog
from genpage.errors import DatasetError
from genpage.grammar import DecodedRow, PageGrammar
from genpage.rules import Rules
from model.checkpoint import Checkpoint
from model.covering import covering
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels
from training.visits import PageSize, Visit, Visits

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedPage:
    """A page as it was served: rows by catalog index, and what is known of each title's place.

    Its visit asks for its own size: as many rows as it has, as long as its longest one. What was
    asked for stands in no log. ``declared_share`` is the share of choices that its server declared
    to draw, None where nobody told: how many of this page's were drawn is not known.
    """

    page_id: str
    visit: Visit
    rows: tuple[DecodedRow, ...]
    reward: Values  # (K,) times how surely it was seen
    examined: Values  # (K,)
    propensity: Values  # (K,)
    declared_share: float | None = None

    @property
    def could_differ(self) -> bool:
        """Whether its policy might have shown another page: by no other can others be told.

        A page of certainties alone was as good as decided, whatever was declared.
        """
        return self.declared_share != 0.0 and bool((self.propensity < 1.0).any())

    @property
    def possible(self) -> bool:
        """Whether its propensities can be those of something that was shown."""
        return bool(((self.propensity > 0) & (self.propensity <= 1)).all())

    def grammar(self, catalog: Catalog, rules: Rules) -> PageGrammar:
        """A fresh page for its request, on which may trend what stood in its trending row.

        Which moment's counts a page was made by stands in no log.
        """
        trends = self.visit.trends
        scores = trends.scores.copy()
        for row in self.rows:
            if catalog.rows[row.row].kind == "trending":
                scores[list(row.entities)] += 1.0 + scores.max()
        visit = replace(self.visit, trends=replace(trends, scores=scores))
        return visit.grammar(catalog, rules)


@dataclass(frozen=True, slots=True, eq=False)
class LoggedPages(Sequence[LoggedPage]):
    """Logged pages, and how many more were chosen that nobody can score any longer.

    ``gone``: a title or a row of theirs left the catalog.
    """

    pages: tuple[LoggedPage, ...]
    gone: int

    def __len__(self) -> int:
        """Those that can be scored."""
        return len(self.pages)

    @overload
    def __getitem__(self, index: int) -> LoggedPage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LoggedPage, ...]: ...
    def __getitem__(self, index: int | slice) -> LoggedPage | tuple[LoggedPage, ...]:
        """In the order of their time."""
        return self.pages[index]


def read_pages(
    folder: DataFolder,
    checkpoint: Checkpoint,
    days: Sequence[str],
    *,
    count: int,
    rewards: Rewards | None = None,
    seed: int = 0,
) -> LoggedPages:
    """``count`` of the days' pages, the same for every checkpoint over the same catalog.

    A page that continues another one is told from no first page: it is taken for one.
    """
    catalog = folder.catalog()
    over = covering(checkpoint, catalog)
    encoder = over.prompts
    labels = RewardLabels.read(folder, catalog, rewards or Rewards.default())
    lines = pl.concat([labels.valued(folder.impressions(day, day)) for day in days])
    visits = Visits.read(folder, catalog, encoder, days, count=count, size=PageSize(), seed=seed)
    wanted = {visit.page_id: visit for visit in visits.visits}
    pages, gone = [], 0
    for page in lines.partition_by("page_id", maintain_order=True):
        page_id = page["page_id"][0]
        visit = wanted.get(page_id)
        if visit is None:
            continue
        entity = [catalog.entity_index(name) for name in page["entity_id"]]
        row = [catalog.row_index(name) for name in page["row_id"]]
        if None in entity or None in row:
            gone += 1
            continue
        rows = [
            DecodedRow(int(lines_of["row"][0]), tuple(lines_of["entity"].to_list()))
            for lines_of in page.select(
                "row_pos", pl.Series("row", row), pl.Series("entity", entity)
            ).partition_by("row_pos", maintain_order=True)
        ]
        pages.append(
            LoggedPage(
                page_id,
                _of_size(visit, rows),
                tuple(rows),
                page["weight"].to_numpy().astype(np.float64),
                page["examined"].to_numpy().astype(np.float64),
                page["propensity"].to_numpy().astype(np.float64),
                page["explored"][0],
            )
        )
    if not pages:
        raise DatasetError(
            f"there are no pages on {days[0]} to {days[-1]} that can be scored; of {gone} a title "
            "or a row left the catalog"
        )
    return LoggedPages(tuple(pages), gone)


def _of_size(visit: Visit, rows: Sequence[DecodedRow]) -> Visit:
    """The visit, asking for a page as large as these rows."""
    longest = max(len(row.entities) for row in rows)
    return replace(visit, request=replace(visit.request, rows=len(rows), entities_per_row=longest))
