"""The policy that fills the simulated service's pages, with exploration and its propensities.

It sees what a real one would: titles through a noisy content vector, members through what they did,
counts of the days before. Rows and titles are drawn from softmax distributions, so that every
eligible page has a chance and the chance is known.

The propensity of an impression is the probability of this title at this place given everything
before it on the page; the first title of a row carries the row's own probability as well, so that
the product over a page's lines is the probability of the page. What is pinned is certain.

Shape legend: B pages, R catalog rows, E entities, K rows of a page, C places of a row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.member_rows import BECAUSE_LIMIT, CONTINUE_LIMIT, TRENDING_LIMIT
from genpage.trends import Trends
from simulation.drawing import Drawing
from simulation.memory import Memory
from simulation.odds import Visits
from simulation.offer import Offer
from simulation.plackett_luce import LEAST
from simulation.product import product
from simulation.truth import Floats, Ints, Times

Bools = NDArray[np.bool_]
# Score = affinity + counts + novelty, in units of the softmax's temperature.
_AFFINITY, _COUNTS, _FRESH, _FRESH_DAYS = 2.8, 0.9, 0.8, 7.0
_ROW_PRIORS = {"because": 0.5, "trending": 0.4, "new": 0.3, "my_list": 0.6}
_HIGHEST_SCORE = 12.0


@dataclass(frozen=True)
class Pages:
    """Pages by catalog positions; -1 where a place is empty.

    ``rows`` (B, K), ``entities`` (B, K, C), ``propensity`` (B, K, C).
    """

    rows: Ints
    entities: Ints
    propensity: Times


class LoggingPolicy:
    """Draws pages. `start_day` sets what is the same for all pages of a day."""

    def __init__(
        self, catalog: Catalog, features: Floats, offer: Offer, *, rows: int, columns: int
    ) -> None:
        """``features`` (E, D): what the policy sees of titles. Pages are ``rows x columns``."""
        self._catalog, self._features, self._offer = catalog, features, offer
        self._rows, self._columns = rows, columns
        kinds = [row.kind for row in catalog.rows]
        self._continue, self._list, self._because, self._trending = (
            kinds.index(kind) for kind in ("continue", "my_list", "because", "trending")
        )
        self._priors = np.array([_ROW_PRIORS.get(kind, 0.0) for kind in kinds])
        self._related, self._is_related = related_order(catalog)
        self._members: Floats = np.zeros((len(kinds), len(catalog.entities)), np.float32)
        self._everybodys: Floats = np.zeros(len(catalog.entities), np.float32)

    def start_day(self, midnight: float, trends: Trends) -> None:
        """The day's rows and counts; the trending row stands as of midnight."""
        members = self._catalog.rows_at(midnight + 1.0)
        members[self._trending, list(trends.top(TRENDING_LIMIT))] = True
        self._members = members.astype(np.float32)
        age = (midnight - self._catalog.released_at) / SECONDS_A_DAY
        fresh = _FRESH * ((age >= 0) & (age < _FRESH_DAYS))
        self._everybodys = (_COUNTS * np.log1p(trends.scores) + fresh).astype(np.float32)

    def draw(self, memory: Memory, visits: Visits, random: np.random.Generator) -> Pages:
        """A page for each visit; all on the day that was started, each member at most once."""
        count = len(visits.member)
        pages = Pages(
            np.full((count, self._rows), -1, np.int32),
            np.full((count, self._rows, self._columns), -1, np.int32),
            np.ones((count, self._rows, self._columns)),
        )
        weights = self._weights(memory, visits)
        place = self._pin(memory, visits, weights, pages)
        personal = {
            self._because: self._because_mask(memory, visits.member),
            self._list: memory.listed[visits.member],
        }
        drawing = Drawing(weights, self._members, personal, self._priors, self._columns)
        drawing.close(self._continue)
        for _ in range(self._rows):
            going = np.flatnonzero(place < self._rows)
            chosen = drawing.choose_rows(going, random)
            filled = drawing.fill(chosen, random)
            at = place[chosen.page]
            odds = filled.probability
            odds[:, 0] *= chosen.probability
            pages.rows[chosen.page, at] = chosen.row
            pages.entities[chosen.page, at] = filled.entities
            pages.propensity[chosen.page, at] = np.maximum(odds, LEAST)
            place[chosen.page] += 1
        return pages

    def _weights(self, memory: Memory, visits: Visits) -> Floats:
        """(B, E) softmax weights; 0 for what may not be shown."""
        score = product(_AFFINITY * memory.taste[visits.member], self._features.T)
        score += self._everybodys
        weights = np.exp(np.clip(score, -_HIGHEST_SCORE, _HIGHEST_SCORE, out=score), out=score)
        weights *= self._offer.mask(visits)
        weights[memory.rejected[visits.member]] = 0.0
        return weights

    def _pin(
        self, memory: Memory, visits: Visits, weights: Floats, pages: Pages
    ) -> NDArray[np.int64]:
        """Put what was begun first, most recent first, and use it up; gives the next places."""
        place = np.zeros(len(visits.member), np.int64)
        for page, member in enumerate(visits.member):
            begun = memory.begun(int(member))[:CONTINUE_LIMIT]
            titles = [e for e in begun if weights[page, e] > 0][: self._columns]
            if titles:
                pages.rows[page, 0] = self._continue
                pages.entities[page, 0, : len(titles)] = titles
                weights[page, titles] = 0.0
                place[page] = 1
        return place

    def _because_mask(self, memory: Memory, member: Ints) -> Bools:
        """(B, E) as `genpage.member_rows.related` has it, for many members at once."""
        anchor, engaged = memory.anchor[member], memory.engaged[member]
        # Among the first so many, enough are left when those engaged with are taken out.
        length = BECAUSE_LIMIT + int(engaged.sum(axis=1).max(initial=0))
        order = self._related[anchor, :length]  # (B, length)
        free = self._is_related[anchor, :length] & ~np.take_along_axis(engaged, order, axis=1)
        free &= (anchor >= 0)[:, None]
        chosen = free & (np.cumsum(free, axis=1, dtype=np.int32) <= BECAUSE_LIMIT)
        mask = np.zeros_like(engaged)
        np.put_along_axis(mask, order, chosen, axis=1)
        return mask


def related_order(catalog: Catalog) -> tuple[Ints, Bools]:
    """(E, E) for each title all others by shared genres, and whether they share any at all."""
    genres = catalog.genre_matrix
    counts = genres.sum(axis=1)
    shared = genres @ genres.T
    similarity = shared / np.maximum(1.0, counts[:, None] + counts[None, :] - shared)
    order = np.argsort(-similarity, axis=1, kind="stable").astype(np.int32)
    return order, np.take_along_axis(similarity, order, axis=1) > 0
