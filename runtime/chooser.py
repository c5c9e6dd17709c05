"""Choosing among what may come next: the values of titles, and who wins by them.

With `genpage.exploration` some choices are drawn, by the page's id and the place alone.
"""

from typing import Final

import numpy as np

from genpage.exploration import seed_of
from genpage.grammar import PageGrammar
from genpage.propensity import propensities
from genpage.supply import Places
from runtime.arrays import FloatArray, IntArray
from runtime.foretold import Foretold
from runtime.job import PageJob
from runtime.noise import gumbel
from runtime.selection import top
from tokenizer.appeal import PageAppeal

# A draft head scores no more than these, which the scores of another place put first: reading the
# vectors of all costs as much as a draft saves.
SHORTLIST: Final = 256
# A float32 score divided by less would overflow; this cold, noise decides between equals alone.
_COLDEST = 1e-200


class Chooser:
    """Of one page and its copies, which share it: it holds nothing that changes."""

    def __init__(self, job: PageJob) -> None:
        self._job = job
        self._explored_by = seed_of(job.drawn_as or job.page_id)

    def titles(
        self,
        scores: FloatArray,
        count: int,
        grammar: PageGrammar,
        appeal: PageAppeal | None,
        *,
        exact: bool,
    ) -> tuple[IntArray, FloatArray]:
        """Titles that may come next and their values (n,): the best ``count`` are among them.

        ``scores`` (R + E,) are of the job's scope, where it has one. Not ``exact``, rough ones do.
        """
        job, rows = self._job, len(self._job.model.row_tokens)
        drawn = job.temperature > 0.0 or job.exploration.share > 0.0
        if appeal is not None and job.scope is None and not drawn:
            return appeal.best(grammar, scores[rows:], count)
        places = grammar.allowed_places()
        allowed = grammar.entities_at(places)
        columns = self._columns_at(grammar, places, allowed)
        added = None if appeal is None else appeal.added(grammar, allowed)
        if job.scope is None or job.scope.refining is None or not exact:
            values = scores[rows:].take(columns)
            return allowed, values if added is None else values + added
        few = len(allowed) if drawn else count
        kept, values = job.scope.refining.refined(scores, rows + columns, added, few)
        return allowed[kept], values

    def foretold(
        self,
        scores: FloatArray,
        count: int,
        grammar: PageGrammar,
        appeal: PageAppeal | None,
        foretold: Foretold,
    ) -> tuple[IntArray, FloatArray]:
        """The same by what a draft head says of those titles that ``scores`` think well of."""
        allowed, values = self.titles(
            scores, few := max(count, SHORTLIST), grammar, appeal, exact=False
        )
        if len(allowed) > few:
            best = np.sort(top(values, np.arange(len(values), dtype=np.int32), few))
            allowed, values = allowed[best], values[best]
        by_scores = scores[len(self._job.model.row_tokens) :].take(self._columns(allowed))
        return allowed, values - by_scores + foretold.titles(allowed)

    def choose(
        self,
        values: FloatArray,
        allowed: IntArray,
        count: int,
        size: int,
        position: int,
        *,
        told: bool,
    ) -> tuple[IntArray, list[float]]:
        """``count`` of ``allowed`` (n,) by their values (n,), in order, and each one's probability.

        ``allowed`` are indices of ``size`` there are, ``position`` is the address of the noise. No
        probabilities stand for certainty, and where they are not to be ``told``.
        """
        job = self._job
        if job.temperature > 0.0:
            return self._sampled(values, allowed, count, size, position, told=told)
        if job.exploration.share == 0.0:
            return top(values, allowed, count), []
        best = top(values, np.arange(len(values), dtype=np.int32), count)
        chosen = job.exploration.choose(values, best, seed=self._explored_by, position=position)
        chances = job.exploration.chances(values, chosen).tolist() if told else []
        return allowed[chosen.places], chances

    def _columns_at(self, grammar: PageGrammar, places: Places, allowed: IntArray) -> Places:
        """`_columns` of the titles ``allowed`` at the audience's ``places``, where it has them."""
        scope, audience = self._job.scope, grammar.audience
        if scope is None:
            whole = audience is None or audience.entities is None
            return places if whole else self._columns(allowed)
        if audience is not None and audience.places is scope.places:
            return places  # the same, without a look at each
        return self._columns(allowed)

    def _columns(self, allowed: IntArray) -> Places:
        """Where in a line, behind the rows' scores, those of the titles ``allowed`` stand."""
        scope = self._job.scope
        columns = allowed if scope is None else scope.places.take(allowed)
        return columns.astype(np.intp)

    def _sampled(
        self,
        values: FloatArray,
        allowed: IntArray,
        count: int,
        size: int,
        position: int,
        *,
        told: bool,
    ) -> tuple[IntArray, list[float]]:
        """The same, all of it drawn at the job's temperature: nothing is left to explore."""
        temperature = max(self._job.temperature, _COLDEST)
        noise = gumbel(self._job.seed, position, size, allowed)
        chosen = top(values.astype(np.float64) / temperature + noise, allowed, count)
        if not told:
            return chosen, []
        drawn: list[float] = propensities(values, allowed, chosen, temperature).tolist()
        return chosen, drawn
