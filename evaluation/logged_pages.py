"""Logged pages under a model's eyes: the score of every place, and what its policy would show.

A page is scored in one pass behind its member's prompt: each row and title by its logit at its own
position, with all before it on the page as it was logged.

Shape legend: n judged places of all pages, K titles of a page, C of a row, R catalog rows, E
catalog entities.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from dataset.folder import DataFolder
from evaluation.off_policy import Logged
from evaluation.page_chances import Chances, page_chances
from evaluation.page_metrics import Places
from evaluation.variety import numbered
from genpage.catalog import Catalog
from genpage.errors import DatasetError
from genpage.grammar import DecodedRow, PageGrammar
from genpage.rules import Rules
from model.appealing import appeal_over
from model.checkpoint import Checkpoint
from model.covering import covering
from model.packing import Packing
from tokenizer.appeal import PageAppeal
from training.late import LateActs
from training.rewards.declaration import Rewards
from training.rewards.labels import RewardLabels
from training.visits import PageSize, Visit, Visits

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LoggedPage:
    """A page as it was served: rows by catalog index, and what is known of each title's place."""

    page_id: str
    visit: Visit
    rows: tuple[DecodedRow, ...]
    reward: Values  # (K,) times how surely it was seen
    examined: Values  # (K,)
    propensity: Values  # (K,)

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


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a model says of logged pages.

    ``logged`` holds all but the ``dropped`` ones, whose propensities cannot be used. A page that
    the model's rules would not show is among them, without a chance from where they forbid it. The
    reward model is a plain one: a title's mean reward where it was seen (`title_worth`), a row's
    the mean of its titles' (`page_chances`), times how often the place is seen.
    """

    entities: Places
    rows: Places
    logged: Logged | None
    predicted: Values  # (pages of ``logged``, K) what a reward model says of what was shown
    expected: Values  # and of what the model would show there on average
    dropped: int


def read_pages(
    folder: DataFolder,
    checkpoint: Checkpoint,
    days: Sequence[str],
    *,
    count: int,
    rewards: Rewards | None = None,
    seed: int = 0,
) -> LoggedPages:
    """``count`` of the days' pages, the same for every checkpoint over the same catalog."""
    catalog = folder.catalog()
    over = covering(checkpoint, catalog)
    encoder = over.prompts
    labels = RewardLabels.read(folder, catalog, rewards or Rewards.default())
    lines = pl.concat([labels.valued(folder.impressions(day, day)) for day in days])
    width = int(lines["col_pos"].max() or 0) + 1  # type: ignore[arg-type]
    depth = int(lines["row_pos"].max() or 0) + 1  # type: ignore[arg-type]
    size = PageSize(depth, width)
    visits = Visits.read(folder, catalog, encoder, days, count=count, size=size, seed=seed)
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
                visit,
                tuple(rows),
                page["weight"].to_numpy().astype(np.float64),
                page["examined"].to_numpy().astype(np.float64),
                page["propensity"].to_numpy().astype(np.float64),
            )
        )
    if not pages:
        raise DatasetError(
            f"there are no pages on {days[0]} to {days[-1]} that can be scored; of {gone} a title "
            "or a row left the catalog"
        )
    return LoggedPages(tuple(pages), gone)


def score_pages(
    folder: DataFolder,
    checkpoint: Checkpoint,
    pages: Sequence[LoggedPage],
    worth: Values,
    *,
    temperature: float = 1.0,
) -> Scored:
    """Places by their logits, and pages by the chance that sampling would have shown them.

    ``worth`` (E,) are `title_worth`, of days before the pages'.
    """
    catalog = folder.catalog()
    judged = _Judged.of(pages, len(catalog.rows))
    chances: list[tuple[LoggedPage, Chances]] = []
    dropped = 0
    for page, scores in zip(pages, _scores(catalog, checkpoint, pages), strict=True):
        judged.add(page, scores)
        grammar = page.grammar(catalog, checkpoint.rules)
        chance = page_chances(grammar, page.rows, scores, temperature, worth)
        usable = bool(((page.propensity > 0) & (page.propensity <= 1)).all())
        if usable:
            chances.append((page, chance))
        else:
            dropped += 1
    logged = _logged(chances)
    predicted = expected = np.zeros((0, 0))
    if logged is not None:
        predicted, expected = _modelled(chances, logged)
    entities, rows = judged.places()
    return Scored(entities, rows, logged, predicted, expected, dropped)


def score_places(
    folder: DataFolder, checkpoint: Checkpoint, pages: Sequence[LoggedPage]
) -> tuple[Places, Places]:
    """Titles' places and rows' by their logits alone, pages that break a rule today included."""
    catalog = folder.catalog()
    judged = _Judged.of(pages, len(catalog.rows))
    for page, scores in zip(pages, _scores(catalog, checkpoint, pages), strict=True):
        judged.add(page, scores)
    return judged.places()


def _scores(
    catalog: Catalog, checkpoint: Checkpoint, pages: Sequence[LoggedPage]
) -> Iterator[NDArray[np.float32]]:
    """(page tokens, R + E) of each page: what the model says before each token of it."""
    over = covering(checkpoint, catalog)
    network = over.network()
    row_tokens, entity_tokens = over.vocabulary.item_tokens(catalog)
    with torch.inference_mode():
        output = network.output_table()[
            torch.from_numpy(np.concatenate([row_tokens, entity_tokens])).long()
        ]
    appeal = appeal_over(over, catalog)
    for page in pages:
        tokens, before = [page.visit.prompt], list[int]()
        end = len(page.visit.prompt)
        for row in page.rows:
            told = row.entities[: over.serialised]
            tokens += [row_tokens[[row.row]], entity_tokens[list(told)]]
            # A title that is not told is scored behind the last of its row that is.
            before += [end - 1, *(end + min(n, len(told)) for n in range(len(row.entities)))]
            end += 1 + len(told)
        sequence = np.concatenate(tokens).astype(np.int64)
        with torch.inference_mode():
            packing = Packing((len(sequence),))
            hidden = network.hidden(torch.from_numpy(sequence), packing)
            scores = (hidden[before] @ output.T).float().numpy()
        if appeal is not None:
            visit = page.visit
            _add(
                appeal.page(visit.context, visit.request, visit.trends),
                visit.grammar(catalog, over.rules),
                page.rows,
                scores,
                over.serialised,
            )
        yield scores


def _add(
    appeal: PageAppeal,
    grammar: PageGrammar,
    rows: Sequence[DecodedRow],
    scores: NDArray[np.float32],
    serialised: int | None,
) -> None:
    """Add to the scores of a page (page tokens, R + E) what the moment does, as serving would.

    A short row's tail is scored once, so that none of it crowds another.

    What a row promises is asked of the page so far; behind a row that today's rules would not let
    stand there, none is. Mutates the grammar.
    """
    catalog_rows = len(grammar.catalog.rows)
    place = 0
    for row in rows:
        allowed = grammar.allowed_rows()
        scores[place, allowed] += appeal.rows(grammar, allowed)
        if row.row not in allowed:
            break
        grammar.open_row(row.row)
        place += 1
        added = appeal.titles(grammar)
        for column, entity in enumerate(row.entities):
            if entity not in grammar.allowed_entities():
                break
            if column and (serialised is None or column <= serialised):
                added = appeal.titles(grammar)
            scores[place, catalog_rows:] += added
            grammar.add(entity)
            place += 1
        if grammar.room:
            break
    scores[place:, catalog_rows:] += appeal.titles(grammar)


def title_worth(
    folder: DataFolder,
    days: Sequence[str],
    rewards: Rewards | None = None,
    *,
    until: float,
    prior: float = 50.0,
) -> Values:
    """(E,) each title's mean reward where it was seen on ``days``, shrunk by ``prior`` sights.

    Nothing that happened at ``until`` (Unix seconds) or later is seen, and pages that were acted on
    then are left out (`training.late`): what the judged days brought is not what they are told by.
    """
    catalog = folder.catalog()
    labels = RewardLabels.read(folder, catalog, rewards or Rewards.default(), until=until)
    late = LateActs.read(folder, until)
    sums = np.zeros((2, len(catalog.entities)))
    for day in days:
        lines = labels.valued(late.without(folder.impressions(day, day)))
        totals = lines.group_by("entity_id").agg(pl.col("weight").sum(), pl.col("examined").sum())
        for name, weight, examined in totals.iter_rows():
            index = catalog.entity_index(name)
            if index is not None:
                sums[:, index] += (weight, examined)
    mean = sums[0].sum() / max(1.0, sums[1].sum())
    return np.asarray((sums[0] + prior * mean) / (sums[1] + prior))


@dataclass(frozen=True, slots=True, eq=False)
class _Here:
    """(score, reward) of the judged titles and rows of one page."""

    entities: tuple[Values, Values]
    rows: tuple[Values, Values]


def _places(page: LoggedPage, scores: NDArray[np.float32], catalog_rows: int) -> _Here:
    row_scores, row_rewards, entity_scores = [], [], []
    place = first = 0
    for row in page.rows:
        count = len(row.entities)
        seen = page.examined[first : first + count] > 0
        if seen.any():
            row_scores.append(scores[place, row.row])
            row_rewards.append(page.reward[first : first + count].sum())
        steps = np.arange(place + 1, place + 1 + count)
        entity_scores.append(scores[steps, catalog_rows + np.array(row.entities)])
        place, first = place + 1 + count, first + count
    judged = page.examined > 0
    return _Here(
        (np.concatenate(entity_scores)[judged].astype(np.float64), page.reward[judged]),
        (np.array(row_scores, np.float64), np.array(row_rewards, np.float64)),
    )


@dataclass(slots=True, eq=False)
class _Judged:
    """Collects the places of pages in their order."""

    members: NDArray[np.int64]  # whose each page is
    catalog_rows: int
    entities: list[Values]
    rows: list[Values]

    @classmethod
    def of(cls, pages: Sequence[LoggedPage], catalog_rows: int) -> "_Judged":
        return cls(numbered([page.visit.request.user_id for page in pages]), catalog_rows, [], [])

    def add(self, page: LoggedPage, scores: NDArray[np.float32]) -> None:
        """The next page's."""
        here = _places(page, scores, self.catalog_rows)
        whose = (len(self.rows), self.members[len(self.rows)])
        for places, found in ((self.entities, here.entities), (self.rows, here.rows)):
            places.append(np.column_stack([*found, *_repeated(whose, found[0])]))

    def places(self) -> tuple[Places, Places]:
        """Of titles, and of rows."""
        return _joined(self.entities), _joined(self.rows)


def _repeated(whose: tuple[int, np.int64], like: Values) -> list[Values]:
    return [np.full(len(like), value, np.float64) for value in whose]


def _joined(parts: Sequence[Values]) -> Places:
    lines = np.concatenate(parts)
    page, member = lines[:, 2].astype(np.int64), lines[:, 3].astype(np.int64)
    return Places(lines[:, 0], lines[:, 1], page, member)


def _logged(chances: Sequence[tuple[LoggedPage, Chances]]) -> Logged | None:
    if not chances:
        return None
    width = max(len(found.chance) for _, found in chances)
    reward, logged, target = (np.full((len(chances), width), v) for v in (0.0, 1.0, 1.0))
    there = np.zeros((len(chances), width), np.bool_)
    for line, (page, found) in enumerate(chances):
        own = slice(0, len(found.chance))
        reward[line, own], logged[line, own] = page.reward[own], page.propensity[own]
        target[line, own], there[line, own] = found.chance, True
    whose = numbered([page.visit.request.user_id for page, _ in chances])
    return Logged(reward, logged, target, there, whose)


def _modelled(
    chances: Sequence[tuple[LoggedPage, Chances]], logged: Logged
) -> tuple[Values, Values]:
    """(n, K) the reward model of what was shown, and of what would be.

    Each by how often its place is seen.
    """
    shown, average, seen = np.zeros((3, *logged.there.shape))
    for line, (page, found) in enumerate(chances):
        own = slice(0, len(found.chance))
        shown[line, own], average[line, own] = found.predicted, found.expected
        seen[line, own] = page.examined[own]
    often = seen.sum(axis=0) / np.maximum(1, logged.there.sum(axis=0))
    return shown * often, average * often
