"""Pages being drawn by the logging policy: what is left of each row for each page.

Shape legend: B pages, R catalog rows, E entities, C places of a row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulation.plackett_luce import draw
from simulation.product import product
from simulation.truth import Floats

Bools = NDArray[np.bool_]
Places = NDArray[np.int64]

_ROW_SHARPNESS = 3.5


@dataclass(frozen=True)
class Chosen:
    """A row for each page that can still take one: arrays of one length."""

    page: Places
    row: Places
    probability: NDArray[np.float64]


@dataclass(frozen=True)
class Filled:
    """Entities (n, C) and the probability of each, given the row and those before it."""

    entities: Places
    probability: NDArray[np.float64]


class Drawing:
    """Mutated by `use`, `fill` and `choose_rows`; one owner."""

    def __init__(
        self,
        weights: Floats,
        members: Floats,
        personal: dict[int, Bools],
        priors: NDArray[np.float64],
        columns: int,
    ) -> None:
        """``weights`` (B, E) are the policy's, 0 for what may not be shown.

        ``members`` (R, E) is 1 where an entity stands in a row for everybody; ``personal`` holds
        (B, E) masks of the rows that differ by member; ``priors`` (R,) favour rows.
        """
        # One more column of weight 0, which padding points to.
        self._weights = np.zeros((len(weights), weights.shape[1] + 1), np.float32)
        self._weights[:, :-1] = weights
        self._rows_of = np.ascontiguousarray(members.T)  # (E, R)
        self._shelves = _shelves(members)
        self._personal = personal
        self._priors = priors
        self._columns = columns
        allowed = weights > 0
        # (B, R) how many titles, and how much squared weight, each row has left for each page.
        self._left = product(allowed.astype(np.float32), members.T)
        squares = weights**2
        self._mass = product(squares, members.T)
        for row, mask in personal.items():
            self._left[:, row] = (mask & allowed).sum(axis=1)
            self._mass[:, row] = (mask * squares).sum(axis=1)
        self._open = np.ones(self._left.shape, np.bool_)

    def choose_rows(self, pages: Places, random: np.random.Generator) -> Chosen:
        """One row for each page, drawn by how good its titles are; pages without any are left out.

        A row's worth is the root mean square of the weights it has left: its best titles count.
        """
        fits = self._open[pages] & (self._left[pages] >= self._columns)  # (n, R)
        mean = self._mass[pages] / np.maximum(self._left[pages], 1.0)
        logit = 0.5 * _ROW_SHARPNESS * np.log(np.maximum(mean, 1e-20)) + self._priors
        logit -= np.where(fits, logit, -np.inf).max(axis=1, initial=-1e9, keepdims=True)
        odds = np.where(fits, np.exp(np.minimum(logit, 0.0)), 0.0)
        can = fits.any(axis=1)
        pages, odds = pages[can], odds[can]
        odds /= odds.sum(axis=1, keepdims=True)
        bounds = odds.cumsum(axis=1)
        draws = random.random(len(pages)) * bounds[:, -1]
        row = (draws[:, None] >= bounds).sum(axis=1)
        self._open[pages, row] = False
        return Chosen(pages, row, odds[np.arange(len(pages)), row])

    def fill(self, chosen: Chosen, random: np.random.Generator) -> Filled:
        """Draw the titles of each page's chosen row, and use them up."""
        entities = np.empty((len(chosen.page), self._columns), np.int64)
        probability = np.empty((len(chosen.page), self._columns))
        for row, mask in self._personal.items():
            here = np.flatnonzero(chosen.row == row)
            if len(here):
                pages = chosen.page[here]
                lists = draw(self._weights[pages, :-1] * mask[pages], self._columns, random)
                entities[here], probability[here] = lists.items, lists.probability
        # Rows of about one length are drawn together, padded: few large calls, not many small.
        for shelf in self._shelves:
            here = np.flatnonzero(shelf.holds[chosen.row])
            if len(here):
                candidates = shelf.entities[shelf.place[chosen.row[here]]]  # (n, longest)
                weights = self._weights[chosen.page[here, None], candidates]
                lists = draw(weights, self._columns, random)
                entities[here] = np.take_along_axis(candidates, lists.items, axis=1)
                probability[here] = lists.probability
        self.use(chosen.page, entities)
        return Filled(entities, probability)

    def use(self, pages: Places, entities: Places) -> None:
        """Take ``entities`` (n, C) off what is left for ``pages`` (n,); each page once a call."""
        line = pages[:, None]
        weight = self._weights[line, entities] ** 2
        rows = self._rows_of[entities]  # (n, C, R)
        taken = np.stack([np.ones_like(weight), weight], axis=1) @ rows  # (n, 2, R)
        self._left[pages] -= taken[:, 0]
        self._mass[pages] -= taken[:, 1]
        for row, mask in self._personal.items():
            own = mask[line, entities]
            self._left[pages, row] -= own.sum(axis=1)
            self._mass[pages, row] -= (own * weight).sum(axis=1)
        self._weights[line, entities] = 0.0

    def close(self, row: int) -> None:
        """Keep a row off every page."""
        self._open[:, row] = False


@dataclass(frozen=True)
class _Shelf:
    """Rows of about one length: ``entities`` (n, longest) padded by E, the rest by row (R,)."""

    holds: Bools
    place: Places
    entities: Places


def _shelves(members: Floats) -> list[_Shelf]:
    """Rows grouped by their length, doubling from group to group."""
    lengths = members.sum(axis=1)
    group = np.ceil(np.log2(np.maximum(lengths, 1.0))).astype(np.int64)
    shelves = []
    for size in np.unique(group[lengths > 0]):
        rows = np.flatnonzero((group == size) & (lengths > 0))
        entities = np.full((len(rows), int(lengths[rows].max())), members.shape[1])
        for index, row in enumerate(rows):
            found = np.flatnonzero(members[row])
            entities[index, : len(found)] = found
        holds, place = np.zeros(len(members), np.bool_), np.zeros(len(members), np.int64)
        holds[rows], place[rows] = True, np.arange(len(rows))
        shelves.append(_Shelf(holds, place, entities))
    return shelves
