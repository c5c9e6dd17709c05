"""The pipeline in next-item evaluation: as fresh as a model that is trained every day.

Item factors and the entity ranker are learnt anew at each day's midnight from what was then known;
counts, pairs, histories and sittings are live up to each event. The ranker learns from the requests
of the `WINDOW_DAYS` before: what was asked for there among what the generators proposed.

Shape legend: n targets, E entities.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset.day import day_of, day_start
from evaluation.log import Numbers
from evaluation.metrics import Values
from evaluation.multistage.candidates import propose
from evaluation.multistage.columns import Columns
from evaluation.multistage.entity_features import FEATURES, EntityFeatures
from evaluation.multistage.entity_ranker import (
    EntityRanker,
    Group,
    RankingSettings,
    learn_ranker,
)
from evaluation.multistage.store import SIGNAL, FeatureStore
from evaluation.source import Source
from evaluation.targets import Targets, targets_between
from genpage.catalog import SECONDS_A_DAY
from training.ranking import middle_rank

WINDOW_DAYS = 28
NEGATIVES = 30
# A title that no generator proposed stands below all that were, by what is trending.
_BELOW = 1e6


@dataclass(frozen=True, slots=True)
class _Request:
    """One target as the pipeline meets it; ``asked`` is where it stands among the candidates."""

    candidates: Numbers
    features: NDArray[np.float32]
    asked: int | None


def multistage_ranks(
    source: Source,
    targets: Targets,
    progress: Callable[[int], object] = lambda _: None,
    *,
    settings: RankingSettings | None = None,
    window_days: int = WINDOW_DAYS,
    seed: int = 0,
) -> Values:
    """(n,) the rank of each target's entity by the pipeline; targets are in order of time."""
    settings = settings or RankingSettings()
    start = day_start(day_of(float(targets.ts[0])))
    end = float(targets.ts[-1]) + 1.0
    walked = targets_between(source.log, start - window_days * SECONDS_A_DAY, end)
    asked = {event: index for index, event in enumerate(targets.event.tolist())}
    requests = _Requests(source, walked)
    groups: deque[tuple[float, Group]] = deque()
    chance = np.random.default_rng(seed)
    ranker: EntityRanker | None = None
    ranks = np.empty(len(targets))
    today = -np.inf
    for index in range(len(walked)):
        at = float(walked.ts[index])
        midnight = day_start(day_of(at))
        if midnight > today:
            today = midnight
            requests.learn(midnight)
            while groups and groups[0][0] < midnight - window_days * SECONDS_A_DAY:
                groups.popleft()
            if midnight >= start and groups:
                ranker = learn_ranker([g for _, g in groups], FEATURES, settings, seed=seed)
        request = requests.of(index)
        place = asked.get(int(walked.event[index]))
        if place is not None:
            ranks[place] = requests.rank(index, request, ranker)
            progress(1)
        if request.asked is not None:
            groups.append((at, _group(request, request.asked, chance)))
    return ranks


def _group(request: _Request, asked: int, chance: np.random.Generator) -> Group:
    others = np.delete(np.arange(len(request.candidates)), asked)
    drawn = chance.choice(others, min(NEGATIVES, len(others)), replace=False)
    relevance = np.zeros(len(drawn) + 1, np.int8)
    relevance[0] = 1
    return Group.shuffled(request.features[np.append(asked, drawn)], relevance, chance)


class _Requests:
    """Walks through targets in time and makes each a request. Mutated by every call."""

    def __init__(self, source: Source, walked: Targets) -> None:
        log, catalog = source.log, source.catalog
        self._walked = walked
        ids = [log.entity_ids[entity] for entity in log.entity.tolist()]
        self._columns = Columns.of(catalog, log.user, ids, log.ts, source.actions, source.durations)
        self._store = FeatureStore(catalog, self._columns)
        self._features = EntityFeatures(self._store)
        places = [catalog.entity_index(entity) for entity in log.entity_ids]
        self._known = np.array([place is not None for place in places], np.bool_)
        self._places = np.array([place or 0 for place in places], np.int64)
        order = np.argsort(self._columns.user, kind="stable")
        self._by_user = order
        self._starts = np.searchsorted(self._columns.user[order], np.arange(len(log.user_ids) + 1))
        self._signals: NDArray[np.float32] | None = None

    def learn(self, midnight: float) -> None:
        """The daily job."""
        self._store.learn(midnight)

    def of(self, index: int) -> _Request:
        """The request of a target: candidates and their features."""
        walked, columns = self._walked, self._columns
        at, user = float(walked.ts[index]), int(walked.user[index])
        self._store.advance(at)
        mine = self._by_user[self._starts[user] : self._starts[user + 1]]
        mine = mine[: int(np.searchsorted(columns.ts[mine], at, side="left"))]
        history = columns.history(mine)
        signals = self._signals = self._store.signals(history, at)
        allowed = np.zeros(signals.shape[1], np.bool_)
        pool = slice(0, int(walked.pool[index]))
        allowed[self._places[pool][self._known[pool]]] = True
        allowed[history.entity] = False
        candidates = propose(signals, allowed)
        target = int(walked.entity[index])
        found = np.flatnonzero((candidates == self._places[target]) & self._known[target])
        return _Request(
            candidates,
            self._features.of(candidates, signals, history, at),
            int(found[0]) if len(found) else None,
        )

    def rank(self, index: int, request: _Request, ranker: EntityRanker | None) -> float:
        """The rank of the target of the request that was made last."""
        if self._signals is None:
            raise RuntimeError("a rank is asked before its request was made. This is a bug.")
        trend = self._signals[SIGNAL["trend_1.5d"]].astype(np.float64)
        scores = trend if ranker is None else trend - _BELOW
        if ranker is not None and len(request.candidates):
            scores[request.candidates] = ranker.scores(request.features)
        ordered = np.where(self._known, scores[self._places], -np.inf)
        walked = self._walked
        pool, target = int(walked.pool[index]), int(walked.entity[index])
        return middle_rank(ordered[:pool], target, walked.own(index))
