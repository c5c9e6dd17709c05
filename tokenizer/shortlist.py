"""The titles of the open row that may come next: how crowded it is around others is not asked.

What stands above only takes from a title (`tokenizer.crowd`), and the further a page goes the more.
So a title that even by what was known of it before is worth less than the best ones are by now is
not among them, and a large row has few others. The same choice to the bit as over all titles of the
row (`tokenizer.appeal.PageAppeal.titles`).

Shape legend: E entities by catalog index, C content dimensions, F crowds, m titles looked at,
a titles above.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.grammar import PageGrammar
from tokenizer.crowd import NOTICED, around, noticed, powers, weighed, wide

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
# So many are looked at in one go: the best ones by what is known of them.
_AT_ONCE: Final = 128
_NOTHING: Final = np.float32(-np.inf)


class Shortlist:
    """Asks one page's grammar as it advances. Mutable (it remembers the open row); one owner."""

    def __init__(self, entities: FloatArray, content: FloatArray, weights: FloatArray) -> None:
        """Titles' appeal (E,), `grained` contents (E, C), ``weights`` (F,), none above 0."""
        self._entities, self._content, self._weights = entities, content, weights
        self._bounds = entities.copy()  # (E,) no title is worth more, from here on
        self._above = wide(content[:0])  # (a, C) of the rows above, of which so many are in it
        self._rows = 0
        self._row = -1  # the open row's place on the page
        self._counted = 0  # of its titles, so many are taken in
        self._rest = (
            entities  # (E,) bounds of its titles that are not looked at; nothing for others
        )
        self._titles: IntArray = np.zeros(0, np.int32)  # (m,) sorted
        self._mine = self._above  # (m, C)
        self._sums = np.zeros((len(weights), 0), np.float32)  # (F, m)
        self._own = entities[:0]  # (m,) appeal; nothing for those that were placed
        self._worth = entities[:0]  # (m,) with what stands above taken from it

    def fork(self) -> "Shortlist":
        """A copy for a copy of the grammar."""
        copy = Shortlist(self._entities, self._content, self._weights)
        copy._bounds, copy._above, copy._rows = self._bounds.copy(), self._above, self._rows
        copy._row, copy._counted, copy._rest = self._row, self._counted, self._rest.copy()
        copy._titles, copy._mine, copy._sums = self._titles, self._mine, self._sums.copy()
        copy._own, copy._worth = self._own.copy(), self._worth
        return copy

    def best(
        self, grammar: PageGrammar, scores: FloatArray, count: int
    ) -> tuple[IntArray, FloatArray] | None:
        """Titles (m,) among which the best ``count`` of the open row are, with their values (m,).

        ``scores`` (E,) are the model's. None where all have to be looked at, as where a score is
        not a number.
        """
        if self._row != len(grammar.rows):
            self._begin(grammar)
        placed = grammar.placed
        for place in range(self._counted, len(placed)):
            self._take_in(placed[place], noticed_at=place)
        self._counted = len(placed)
        alone = scores + self._rest
        if np.isnan(np.maximum.reduce(alone)):
            return None
        while True:
            values = scores.take(self._titles) + self._worth
            least = _least(values, count)
            if np.maximum.reduce(alone) < least:
                return self._titles, values
            there = self._rest > least if least == _NOTHING else alone >= least
            more = there.nonzero()[0].astype(np.int32)
            if not len(more):
                return None
            if len(more) > _AT_ONCE:
                cut = len(more) - _AT_ONCE
                more = np.sort(more[alone.take(more).argpartition(cut)[cut:]])
            self._look_at(grammar, more)
            alone[more] = _NOTHING

    def _begin(self, grammar: PageGrammar) -> None:
        rows = grammar.rows
        self._row, self._counted = len(rows), len(grammar.placed)
        above = self._content.take(noticed([row.entities for row in rows[self._rows :]]), axis=0)
        self._above, self._rows = np.concatenate((self._above, wide(above))), len(rows)
        allowed = grammar.allowed_entities()
        self._rest = np.full(len(self._entities), _NOTHING)
        self._rest[allowed] = self._bounds.take(allowed)
        self._titles, self._mine, self._sums = allowed[:0], self._above[:0], self._sums[:, :0]
        self._own = self._worth = self._entities[:0]

    def _take_in(self, entity: int, *, noticed_at: int) -> None:
        """A title was placed: it may not come again, and stands above the others."""
        place = int(self._titles.searchsorted(entity))
        if place < len(self._titles) and self._titles[place] == entity:
            self._own[place] = _NOTHING
        else:
            self._rest[entity] = _NOTHING
        if noticed_at < NOTICED:
            self._sums += powers(self._mine @ wide(self._content[entity]))
        self._worth = self._own + weighed(self._weights, self._sums)

    def _look_at(self, grammar: PageGrammar, more: IntArray) -> None:
        above = self._above
        if placed := grammar.placed[:NOTICED]:
            above = np.concatenate((above, wide(self._content.take(placed, axis=0))))
        mine = wide(self._content.take(more, axis=0))
        sums = around(mine, above)
        own = self._entities.take(more)
        worth = own + weighed(self._weights, sums)
        self._bounds[more], self._rest[more] = worth, _NOTHING
        if len(self._titles):
            more = np.concatenate((self._titles, more))
            order = more.argsort()
            more, mine = more[order], np.concatenate((self._mine, mine))[order]
            sums = np.concatenate((self._sums, sums), axis=1)[:, order]
            own = np.concatenate((self._own, own))[order]
            worth = np.concatenate((self._worth, worth))[order]
        self._titles, self._mine, self._sums = more, mine, sums
        self._own, self._worth = own, worth


def _least(values: FloatArray, count: int) -> np.float32:
    """The ``count``-th highest value; nothing where there are fewer."""
    size = len(values)
    if size < count:
        return _NOTHING
    if count == 1:
        highest: np.float32 = np.maximum.reduce(values)
        return highest
    found: np.float32 = np.partition(values, size - count)[size - count]
    return found
