"""The pipeline at a request: candidates, entity ranker, row ranker, page assembly.

For every position the rows that may stand there are planned (each with its best titles that are
left), the row ranker scores the plans, and the best one is placed. What may stand where is asked of
the page's grammar alone: the rules object that the model decodes under.

Shape legend: E entities by catalog index, R catalog rows, k rows allowed, C places of a row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from evaluation.multistage.audience import Rates, Segments, request_features
from evaluation.multistage.candidates import propose
from evaluation.multistage.columns import History
from evaluation.multistage.page_features import PageFeatures
from evaluation.multistage.row_features import ROW_FEATURES, RowFeatures
from evaluation.multistage.store import SIGNAL, FeatureStore
from genpage.catalog import Catalog
from genpage.context import Context
from genpage.grammar import DecodedRow, PageGrammar
from genpage.request import PageRequest
from genpage.rules import Rules
from genpage.trends import Trends

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
# A catalog of so many titles is ranked whole.
_SMALL: Final = 2000
# Likelier titles stand first among those whose engagement is thought worth nothing.
_LEAST_WORTH: Final = 0.01
_BEST: Final = ROW_FEATURES.index("best3")
# How many titles of its own a row proposes from a larger one, and by which signals.
_A_ROW: Final = 60
_MIXTURE: Final = ("trend_30d", "factors", "shared")


@dataclass(frozen=True, slots=True)
class TitleRanker:
    """What a seen title is worth: the chance that it is engaged with, times what that brings.

    Two forests, since a reward is nothing at all for nineteen of twenty: one that regresses it
    directly follows noise.
    """

    engaged: lightgbm.Booster
    worth: lightgbm.Booster

    def values(self, features: Floats) -> Floats:
        """(c,) of features (c, F)."""
        chance = np.asarray(self.engaged.predict(features, num_threads=1), np.float32)
        worth = np.asarray(self.worth.predict(features, num_threads=1), np.float32)
        return np.asarray(chance * np.maximum(worth, _LEAST_WORTH), np.float32)


@dataclass(frozen=True, slots=True)
class Rankers:
    """What the pipeline learnt: trees for titles and for rows, and the rates they read.

    A row's worth follows that of its best three titles (times ``row_slope``); its trees learn what
    that leaves out. A row's reward is too noisy for trees to find the sum by themselves. ``pages``
    is how many pages all that was learnt from.
    """

    titles: TitleRanker
    rows: lightgbm.Booster
    rates: Rates
    row_slope: float = 1.0
    pages: int = 0

    def row_scores(self, features: Floats) -> Floats:
        """(k,) what rows are thought worth: their best titles' worth, and what trees add to it."""
        added = np.asarray(self.rows.predict(features, num_threads=1), np.float32)
        return np.asarray(self.row_slope * features[:, _BEST] + added, np.float32)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Rankers over a feature store; `FeatureStore.advance` says what it knows."""

    store: FeatureStore
    segments: Segments
    features: PageFeatures
    row_features: RowFeatures
    rules: Rules
    rankers: Rankers

    @property
    def catalog(self) -> Catalog:
        """What may be shown."""
        return self.store.catalog

    def advance(self, at: float) -> None:
        """Take in what happened before ``at``, by everybody."""
        self.store.advance(at)
        self.segments.advance(at)

    @property
    def trends(self) -> Trends:
        """What is watched now, as the trending row shows it."""
        return self.store.trends

    def values(self, context: Context, request: PageRequest, grammar: PageGrammar) -> Floats:
        """(E,) what each candidate is thought worth to the member, -inf for all others."""
        history = History.of(self.catalog, context)
        signals = self.store.signals(history, request.at)
        titles = proposed(signals, grammar)
        profile = context.profile or self.rules.assumed_profile(context.user_id)
        shares = self.segments.shares(profile)
        features = self.features.of(
            titles, signals, history, profile, request, self.rankers.rates, shares
        )
        values = np.full(len(self.catalog.entities), -np.inf, np.float32)
        if len(titles):
            values[titles] = self.rankers.titles.values(features)
        return values

    def rows(
        self, context: Context, request: PageRequest, grammar: PageGrammar
    ) -> Iterator[DecodedRow]:
        """The page's further rows, one by one; ``grammar`` is advanced."""
        context = context.before(request.at)
        values = self.values(context, request, grammar)
        plans = Plans(grammar, values, request.entities_per_row, request.rows)
        acts = row_acts(self.catalog, context)
        profile = context.profile or self.rules.assumed_profile(context.user_id)
        asked = request_features(profile, request)
        shown = len(grammar.rows)
        while shown < request.rows and len(allowed := grammar.allowed_rows()):
            planned = [plans.best(int(row)) for row in allowed]
            chosen = 0
            if len(allowed) > 1:
                worth = np.full((len(allowed), request.entities_per_row), np.nan, np.float32)
                for line, plan in zip(worth, planned, strict=True):
                    line[: len(plan)] = values[plan]
                features = self.row_features.of(
                    allowed.astype(np.int64),
                    worth,
                    np.full(len(allowed), shown),
                    acts,
                    self.rankers.rates,
                    asked,
                )
                chosen = int(np.argmax(self.rankers.row_scores(features)))
            grammar.open_row(int(allowed[chosen]))
            grammar.extend(planned[chosen][: grammar.room].tolist())
            shown += 1
            yield grammar.rows[-1]


class Plans:
    """Each row's best titles of those that the page has left, asked for between its rows.

    Reads the grammar as it advances. All titles are looked through once a row; from then on the
    row's own best, so many as the page can use up, less those that were used.
    """

    def __init__(self, grammar: PageGrammar, values: Floats, count: int, rows: int) -> None:
        """``values`` (E,) order the titles once, ties by index.

        A plan has ``count`` titles at most, and at most ``rows`` rows are yet to come.
        """
        self._grammar, self._count, self._most = grammar, count, count * rows
        self._order = np.argsort(-values, kind="stable").astype(np.int32)
        self._own: dict[int, NDArray[np.int32]] = {}

    def best(self, row: int) -> NDArray[np.int32]:
        """Catalog indices, the highest value first."""
        order = self._own.get(row, self._order)
        allowed = self._grammar.may_show_of(np.array([row], np.int32), order)[0]
        left: NDArray[np.int32] = order[allowed]
        self._own[row] = left[: self._most]
        return left[: self._count]


def proposed(signals: Floats, grammar: PageGrammar) -> Ints:
    """Sorted catalog indices of the titles to rank, from signals (S, E).

    Of a small catalog all that some row could show; of a large one what the generators propose,
    and each row's own best by a cheap mixture of what is watched and what the factors say.
    """
    rows = [grammar.left_for(row) for row in range(len(grammar.catalog.rows))]
    possible = np.zeros(signals.shape[1], np.bool_)
    for titles in rows:
        possible[titles] = True
    if int(possible.sum()) <= _SMALL:
        return np.flatnonzero(possible)
    chosen = np.zeros(signals.shape[1], np.bool_)
    chosen[propose(signals, possible)] = True
    mixture = sum(_scaled(signals[SIGNAL[name]]) for name in _MIXTURE)
    for titles in rows:
        chosen[_highest(titles, np.asarray(mixture, np.float32), _A_ROW)] = True
    return np.flatnonzero(chosen)


def _scaled(signal: Floats) -> Floats:
    return np.asarray(signal / max(1e-9, float(signal.max())), np.float32)


def _highest(titles: NDArray[np.int32], scores: Floats, count: int) -> NDArray[np.int32]:
    if len(titles) <= count:
        return titles
    found = scores[titles]
    return titles[np.argpartition(found, len(found) - count)[-count:]]


def row_acts(catalog: Catalog, context: Context) -> Floats:
    """(R,) how often the member acted on a title in each row."""
    acts = np.zeros(len(catalog.rows), np.float32)
    for event in context.events:
        row = catalog.row_index(event.row_id) if event.row_id is not None else None
        if row is not None:
            acts[row] += 1.0
    return acts
