"""The chance that a policy shows just a logged page, and what a reward model says of its places.

Shape legend: K titles of a page, R catalog rows, E catalog entities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.policy import Policy
from genpage.grammar import DecodedRow, PageGrammar
from tokenizer.page import entities_before_fill

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """Of each title (K,): its chance given all before it; its worth, and what it would be.

    Of a page that the policy could not show, up to the first title without a chance.

    ``predicted`` is a reward model's of what was shown, ``expected`` its mean over all that the
    policy could have chosen at that step. A row's first title is one step with its row, and the
    model knows it by the row alone, as the mean over the titles that the row has left: over other
    rows' titles the policy's chances are not known without opening each of them.
    """

    chance: Values
    predicted: Values
    expected: Values


def page_chances(
    grammar: PageGrammar,
    rows: Sequence[DecodedRow],
    scores: NDArray[np.float32],
    policy: Policy,
    worth: Values,
    *,
    serialised: int | None = None,
) -> Chances:
    """The chance of each title; a row's is its first title's too.

    ``scores`` (page tokens + 1, R + E) stand before each token of the page and behind the last;
    ``worth`` (E,) is what each title brings. As in serving, the scores that choose the last of a
    row's ``autoregressive`` titles choose those that fill the row too; of a model with short rows
    (``serialised``) perhaps those behind its last title in the sequence (`tokenizer.page`). Where
    the rules would not let the page go on as it does, the title there has no chance, and nothing is
    said of those behind it: the policy never comes there. A last row that they would have filled
    further has one more place for that, without a title. Mutates the grammar.
    """
    catalog_rows = len(grammar.catalog.rows)
    odds_of = policy.exploration.odds
    before_fill = entities_before_fill(policy.autoregressive, serialised)
    found: list[tuple[float, float, float]] = []
    place = first = 0
    for row in rows:
        if grammar.room:
            break
        allowed = grammar.allowed_rows()
        odds = odds_of(scores[place, :catalog_rows][allowed])
        among = np.array([_mean_left(grammar, other, worth) for other in allowed.tolist()])
        expected = float(odds @ among)
        if row.row not in allowed:
            return _ended(found, expected)
        chosen = int(np.searchsorted(allowed, row.row))
        opening, predicted = odds[chosen], among[chosen]
        grammar.open_row(row.row)
        first = place = place + 1
        for position, entity in enumerate(row.entities):
            allowed = grammar.allowed_entities()
            alone = min(position, before_fill)
            odds = odds_of(scores[first + alone, catalog_rows:][allowed])
            if position > 0:
                predicted, expected = worth[entity], float(odds @ worth[allowed])
            if entity not in allowed:
                return _ended(found, expected)
            chance = odds[int(np.searchsorted(allowed, entity))]
            if position == 0:
                chance *= opening
            found.append((float(chance), float(predicted), expected))
            grammar.add(entity)
            place += 1
    if grammar.room:  # the row is shorter than the rules would make it
        allowed = grammar.allowed_entities()
        alone = min(place - first, before_fill)
        odds = odds_of(scores[first + alone, catalog_rows:][allowed])
        return _ended(found, float(odds @ worth[allowed]))
    return _chances(found)


def _ended(found: Sequence[tuple[float, float, float]], expected: float) -> Chances:
    """With a last place that the policy never fills like this."""
    return _chances([*found, (0.0, 0.0, expected)])


def _chances(found: Sequence[tuple[float, float, float]]) -> Chances:
    columns = np.array(found, np.float64).reshape(-1, 3)
    return Chances(columns[:, 0], columns[:, 1], columns[:, 2])


def _mean_left(grammar: PageGrammar, row: int, worth: Values) -> float:
    left = grammar.left_for(row)
    return float(worth[left].mean()) if len(left) else 0.0
