"""Day zero: which events are asked about, and the baselines by hand."""

import numpy as np
import pytest
import torch
from tiny import tiny_catalog, tiny_checkpoint

from evaluation.checkpoint_scorer import CheckpointScorer
from evaluation.cold_start import (
    cold_start,
    genre_popularity,
    neighbour_scores,
    unseen_targets,
    without_ids,
)
from evaluation.log import EventLog
from evaluation.source import Period, Source
from genpage.errors import DatasetError

DAY = 86_400.0
PERIOD = Period("1970-01-21", "1970-01-29")
UNTIL = 19 * DAY


@pytest.fixture(scope="module")
def source() -> Source:
    """Members with titles of the tiny catalog; the higher ones are had late."""
    generator = np.random.default_rng(4)
    rows = sorted(
        (float(generator.uniform(0, 28 * DAY)), int(generator.integers(8))) for _ in range(400)
    )
    entities = [int(generator.integers(int(1 + ts / (28 * DAY) * 60))) for ts, _ in rows]
    log = EventLog.of(
        [f"u{user}" for _, user in rows], [f"e{n}" for n in entities], [ts for ts, _ in rows]
    )
    return Source(log, ["play"] * 400, [None] * 400, tiny_catalog(), {})


def test_only_titles_that_nobody_had_are_asked_about(source: Source) -> None:
    """Each event is a member's first with a title whose first event of all came after training."""
    log = source.log
    targets = unseen_targets(log, PERIOD, UNTIL, source.catalog)
    expected = []
    for n in range(len(log.ts)):
        before = [m for m in range(len(log.ts)) if log.ts[m] < log.ts[n]]
        mine = [m for m in before if log.user[m] == log.user[n]]
        first = min(log.ts[m] for m in range(len(log.ts)) if log.entity[m] == log.entity[n])
        fresh = all(log.entity[m] != log.entity[n] for m in mine)
        if PERIOD.start <= log.ts[n] < PERIOD.end and first >= UNTIL and fresh and len(mine) >= 5:
            expected.append(n)
    assert targets.event.tolist() == expected
    assert len(expected) > 10


def test_genres_are_counted_by_hand(source: Source) -> None:
    """A title's score is its genre's share of the four weeks before training's end."""
    log, catalog = source.log, source.catalog
    scores = genre_popularity(log, catalog, UNTIL)
    recent = [log.entity_ids[e] for e in log.entity[log.ts < UNTIL].tolist()]
    genre = [int(entity_id[1:]) % 4 for entity_id in recent]
    shares = np.bincount(genre, minlength=4) / len(genre)
    by_number = {entity.id: score for entity, score in zip(catalog.entities, scores, strict=True)}
    for number in range(20):
        assert by_number[f"e{number}"] == pytest.approx(shares[number % 4])


def test_neighbours_are_near_what_was_had_last(source: Source) -> None:
    """The mean cosine with the contents of the member's last ten titles."""
    checkpoint, catalog, log = tiny_checkpoint(), source.catalog, source.log
    targets = unseen_targets(log, PERIOD, UNTIL, catalog)
    scores = neighbour_scores(log, targets, catalog, checkpoint)
    at, user = float(targets.ts[0]), int(targets.user[0])
    mine = [n for n in range(len(log.ts)) if log.user[n] == user and log.ts[n] < at][-10:]
    vectors = {e.id: np.array(e.vector) / np.linalg.norm(e.vector or ()) for e in catalog.entities}
    last = [vectors[log.entity_ids[int(log.entity[n])]] for n in mine]
    expected = [np.mean([vectors[e.id] @ had for had in last]) for e in catalog.entities]
    assert np.allclose(scores[0], expected, atol=1e-6)


def test_the_model_ranks_among_the_unseen(source: Source) -> None:
    """Every ranker answers the same events; without any the days are refused."""
    found = cold_start(source, tiny_checkpoint(), PERIOD, UNTIL)
    assert set(found.reports) == {"model", "genre", "neighbours"}
    assert set(found.uplifts) == {"genre", "neighbours"}
    counts = {each.overall.n for each in found.reports.values()}
    assert len(counts) == 1
    assert 10 < found.titles < 61
    assert found.document()["unseen_titles"] == found.titles
    with pytest.raises(DatasetError, match="earlier days"):
        cold_start(source, tiny_checkpoint(), PERIOD, 100 * DAY)


def test_without_ids_content_alone_speaks(source: Source) -> None:
    """Titles of one kind and content score alike; a kept token keeps its own."""
    checkpoint = tiny_checkpoint()
    vocabulary = checkpoint.vocabulary
    bare = without_ids(checkpoint, [vocabulary.entity("e3")])
    fallback = vocabulary.fallback_of(vocabulary.entity("e6"))
    ids = bare.weights["outputs.ids"]
    assert torch.equal(ids[vocabulary.entity("e6")], checkpoint.weights["outputs.ids"][fallback])
    kept = vocabulary.entity("e3")
    assert torch.equal(ids[kept], checkpoint.weights["outputs.ids"][kept])
    assert CheckpointScorer(bare, source.catalog).catalog is source.catalog
