"""Logged pages under a model's eyes: the score of every place, and what its policy would show.

A page is scored in one pass behind its member's prompt: each row and title by its logit at its own
position, with all before it on the page as it was logged.

Shape legend: n judged places of all pages, K titles of a page, R catalog rows, E catalog entities.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dataset.folder import DataFolder
from evaluation.logged_pages import LoggedPage
from evaluation.off_policy import Logged
from evaluation.page_chances import Chances, page_chances
from evaluation.page_metrics import Places
from evaluation.policy import Policy
from evaluation.support import Support
from evaluation.variety import numbered
from genpage.catalog import Catalog
from genpage.grammar import DecodedRow, PageGrammar
from model.appealing import appeal_over
from model.checkpoint import Checkpoint
from model.covering import covering
from model.packing import Packing
from tokenizer.appeal import PageAppeal

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """Logged pages beside what a policy would show. n pages.

    A page that the model's rules would not show is among them, without a chance from where they
    forbid it. The reward model is a plain one: a title's mean reward where it was seen
    (`title_worth`), a row's the mean of its titles' (`page_chances`), times how often the place is
    seen.
    """

    policy: Policy
    logged: Logged
    predicted: Values  # (n, K) what a reward model says of what was shown
    expected: Values  # (n, K) and of what the policy would show there on average

    @property
    def never_shown(self) -> int:
        """How many of the pages the policy would never show: some place has no chance."""
        return int(((self.logged.target == 0) & self.logged.there).any(axis=1).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a model says of logged pages.

    ``used`` are those that other policies can be told by, ``weighed`` one for each policy, none
    where none is used; ``support`` says why.
    """

    entities: Places
    rows: Places
    used: tuple[LoggedPage, ...]
    weighed: tuple[Weighed, ...]
    support: Support


def score_pages(
    folder: DataFolder,
    checkpoint: Checkpoint,
    pages: Sequence[LoggedPage],
    worth: Values,
    policies: Sequence[Policy],
) -> Scored:
    """Places by their logits, and pages by the chance that each policy would have shown them.

    ``worth`` (E,) are `title_worth`, of days before the pages'.
    """
    catalog = folder.catalog()
    judged = _Judged.of(pages, len(catalog.rows))
    used: list[LoggedPage] = []
    chances: list[list[Chances]] = [[] for _ in policies]
    for page, scores in zip(pages, _scores(catalog, checkpoint, pages), strict=True):
        judged.add(page, scores)
        if not (page.possible and page.could_differ):
            continue
        used.append(page)
        for policy, found in zip(policies, chances, strict=True):
            grammar = page.grammar(catalog, checkpoint.rules)
            found.append(
                page_chances(
                    grammar, page.rows, scores, policy, worth, serialised=checkpoint.serialised
                )
            )
    entities, rows = judged.places()
    weighed = (
        tuple(
            _weighed(policy, list(zip(used, found, strict=True)))
            for policy, found in zip(policies, chances, strict=True)
        )
        if used
        else ()
    )
    return Scored(entities, rows, tuple(used), weighed, Support.of(pages))


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
    """(page tokens + 1, R + E) of each page: before each token of it, and behind the last."""
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
        before.append(end - 1)
        sequence = np.concatenate(tokens).astype(np.int64)
        with torch.inference_mode():
            packing = Packing((len(sequence),))
            hidden = network.hidden(torch.from_numpy(sequence), packing)
            scores = (hidden[before] @ output.T).float().numpy()
        if appeal is not None:
            visit = page.visit
            _add(
                appeal.page(visit.context, visit.request, visit.trends),
                page.grammar(catalog, over.rules),
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
    """Add to the scores of a page (page tokens + 1, R + E) what the moment does, as serving would.

    A short row's tail is scored once, so that none of it crowds another.

    What a row promises is asked of the page so far; behind a row that today's rules would not let
    stand there, none is. Mutates the grammar, which must be the one that chances are told by
    (`LoggedPage.grammar`): what may stand in one may stand in the other.
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


def _weighed(policy: Policy, chances: Sequence[tuple[LoggedPage, Chances]]) -> Weighed:
    logged = _logged(chances)
    return Weighed(policy, logged, *_modelled(chances, logged))


def _logged(chances: Sequence[tuple[LoggedPage, Chances]]) -> Logged:
    width = max(len(found.chance) for _, found in chances)
    reward, logged, target = (np.full((len(chances), width), v) for v in (0.0, 1.0, 1.0))
    there = np.zeros((len(chances), width), np.bool_)
    for line, (page, found) in enumerate(chances):
        # A place behind the page, where the policy would have gone on, brought nothing for sure.
        own = slice(0, min(len(found.chance), len(page.reward)))
        reward[line, own], logged[line, own] = page.reward[own], page.propensity[own]
        told = slice(0, len(found.chance))
        target[line, told], there[line, told] = found.chance, True
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
        told = slice(0, len(found.chance))
        shown[line, told], average[line, told] = found.predicted, found.expected
        own = slice(0, min(len(found.chance), len(page.examined)))
        seen[line, own] = page.examined[own]
    often = seen.sum(axis=0) / np.maximum(1, logged.there.sum(axis=0))
    return shown * often, average * often
