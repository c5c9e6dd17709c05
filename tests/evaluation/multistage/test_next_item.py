"""The pipeline in next-item evaluation: it learns what can be learnt, from the past alone."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.baselines import Popularity
from evaluation.log import EventLog
from evaluation.multistage.entity_ranker import Group, RankingSettings, learn_ranker
from evaluation.multistage.next_item import multistage_ranks
from evaluation.next_item import baseline_ranks, next_item, steps
from evaluation.source import Source
from evaluation.targets import Targets, targets_between
from genpage.catalog import SECONDS_A_DAY

SMALL = RankingSettings(trees=20, leaves=7, least_in_leaf=10)


def targets_of(source: Source, first: int, last: int) -> Targets:
    """Those of some days, numbered from 0."""
    return targets_between(source.log, first * SECONDS_A_DAY, last * SECONDS_A_DAY)


@pytest.fixture(scope="module")
def ranks(paired: Source) -> NDArray[np.float64]:
    """The pipeline's ranks of the last ten days."""
    return multistage_ranks(paired, targets_of(paired, 40, 50), settings=SMALL)


def test_it_finds_the_structure(paired: Source, ranks: NDArray[np.float64]) -> None:
    """Five of ten titles of a circle are known: the next is among the other five of sixty."""
    targets = targets_of(paired, 40, 50)
    own = [targets.own(index) for index in range(len(targets))]
    popular = baseline_ranks(Popularity(targets.log), targets, own, lambda _: None)
    assert np.median(ranks) <= 3
    assert (ranks <= 5).mean() > 0.9
    assert np.median(popular) > 15


def test_later_events_change_no_rank(paired: Source, ranks: NDArray[np.float64]) -> None:
    """Ranks of early targets are the same where the log ends before the late ones."""
    log = paired.log
    cut = int(np.searchsorted(log.ts, 45 * SECONDS_A_DAY))
    short = EventLog.of(
        [log.user_ids[u] for u in log.user[:cut].tolist()],
        [log.entity_ids[e] for e in log.entity[:cut].tolist()],
        log.ts[:cut],
    )
    early = replace(paired, log=short, actions=["play"] * cut, durations=[None] * cut)
    targets = targets_of(early, 40, 45)
    found = multistage_ranks(early, targets, settings=SMALL)
    assert np.array_equal(found, ranks[: len(targets)])


def test_it_stands_beside_the_baselines(paired: Source) -> None:
    """In the same run, over the same events, in the same document."""
    targets = targets_of(paired, 46, 48)
    done: list[int] = []
    found = next_item(paired, targets, multistage=True, progress=done.append)
    assert found.baselines["multistage"].overall.n == len(targets)
    assert found.baselines["multistage"].overall.means > found.baselines["popularity"].overall.means  # type: ignore[operator]
    assert sum(done) == steps(targets, with_model=False, multistage=True)


def test_groups_are_shuffled() -> None:
    """The relevant line stands anywhere, with its own features."""
    chance = np.random.default_rng(0)
    relevance = np.zeros(20, np.int8)
    relevance[0] = 1
    features = np.arange(20, dtype=np.float32)[:, None]
    places = []
    for _ in range(200):
        group = Group.shuffled(features, relevance, chance)
        place = int(np.argmax(group.relevance))
        assert group.features[place, 0] == 0
        places.append(place)
    assert np.mean(np.array(places) == 0) < 0.15


def test_a_ranker_learns() -> None:
    """From one telling feature among noise."""
    chance = np.random.default_rng(1)
    groups = []
    for _ in range(150):
        features = chance.normal(size=(12, 4)).astype(np.float32)
        relevance = np.zeros(12, np.int8)
        relevance[int(np.argmax(features[:, 2]))] = 1
        groups.append(Group.shuffled(features, relevance, chance))
    ranker = learn_ranker(groups[:120], ("a", "b", "c", "d"), SMALL)
    hits = [
        np.argmax(ranker.scores(group.features)) == np.argmax(group.relevance)
        for group in groups[120:]
    ]
    assert np.mean(hits) > 0.7
