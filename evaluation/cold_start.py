"""Day zero: how well titles that nobody had before training's end are recommended.

Each event of the period with such a title, of a member with at least 5 earlier events, ranks it
among all titles of the catalog that nobody had by then. No counts tell them apart and no ID of
theirs was trained: the model has their content alone, as a server has it that the title's document
just reached. Beside it stand what a team without such a model would do:

- ``genre``: how popular the title's genres were in the four weeks before training's end;
- ``neighbours``: how near the title's content is to what the member had last.

``without_ids`` asks how much of what is known of *known* titles their content carries: the same
events as next-item evaluation, once by the model and once with every title's ID replaced by its
type's fallback, on both sides. It is what ID dropout trains for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.checkpoint_scorer import CheckpointScorer
from evaluation.log import EventLog
from evaluation.metrics import Report, Values, report
from evaluation.next_item import batches
from evaluation.prompts import prompts
from evaluation.source import FOUR_WEEKS_S, Period, Source
from evaluation.targets import EARLIER_EVENTS, RESTED_S, Targets
from evaluation.uplift import Uplift
from genpage.catalog import Catalog
from genpage.errors import DatasetError
from genpage.trends import Trends
from model.checkpoint import Checkpoint
from tokenizer.content import content_encoder
from training.ranking import middle_rank

# So many of a member's last titles are looked at by ``neighbours``.
LAST = 10
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Reports by ranker, over ``titles`` unseen ones; the model's uplift over each other."""

    titles: int
    reports: Mapping[str, Report]
    uplifts: Mapping[str, Uplift]

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "unseen_titles": self.titles,
            "rankers": {name: found.document() for name, found in self.reports.items()},
            "uplift": {name: found.document() for name, found in self.uplifts.items()},
        }


def cold_start(
    source: Source, checkpoint: Checkpoint, period: Period, until: float, *, seed: int = 0
) -> ColdStart:
    """Rank the unseen titles of the period's events; ``until`` is training's end (Unix seconds)."""
    log, catalog = source.log, source.catalog
    seen = {log.entity_ids[entity] for entity in np.unique(log.entity[log.ts < until]).tolist()}
    unseen = np.array([n for n, e in enumerate(catalog.entities) if e.id not in seen], np.int64)
    targets = unseen_targets(log, period, until, catalog)
    if not len(targets):
        raise DatasetError(
            "no event of these days is with a title that nobody had before training's end; take a "
            "checkpoint of earlier days, or other days"
        )
    place = {int(index): n for n, index in enumerate(unseen.tolist())}
    came = [
        place[catalog.entity_index(log.entity_ids[entity]) or 0]
        for entity in targets.entity.tolist()
    ]
    rankers = {
        "model": model_scores(source, targets, checkpoint),
        "genre": np.tile(genre_popularity(log, catalog, until), (len(targets), 1)),
        "neighbours": neighbour_scores(log, targets, catalog, checkpoint),
    }
    nobody = np.array([], np.int64)
    ranks: dict[str, Values] = {
        name: np.array(
            [
                middle_rank(line[unseen], target, nobody)
                for line, target in zip(scores, came, strict=True)
            ]
        )
        for name, scores in rankers.items()
    }
    users, rested = targets.user, targets.rested
    return ColdStart(
        titles=len(unseen),
        reports={name: report(each, users, rested, seed=seed) for name, each in ranks.items()},
        uplifts={
            name: Uplift.of(ranks["model"], each, users, rested, seed=seed)
            for name, each in ranks.items()
            if name != "model"
        },
    )


def unseen_targets(log: EventLog, period: Period, until: float, catalog: Catalog) -> Targets:
    """The period's events with titles of the catalog that nobody had before ``until``.

    A member's first with that title, of members with at least 5 earlier events.
    """
    described = np.array([catalog.entity_index(e) is not None for e in log.entity_ids], np.bool_)
    events, earlier, rested = [], [], []
    for user in range(len(log.user_ids)):
        mine = log.by_user[log.offsets[user] : log.offsets[user + 1]]
        had: set[int] = set()
        for event in mine.tolist():
            entity, ts = int(log.entity[event]), float(log.ts[event])
            before = mine[log.ts[mine] < ts]
            if (
                period.start <= ts < period.end
                and log.first_seen[entity] >= until
                and described[entity]
                and entity not in had
                and len(before) >= EARLIER_EVENTS
            ):
                events.append(event)
                earlier.append(len(before))
                rested.append(ts - float(log.ts[before[-1]]) >= RESTED_S)
            had.add(entity)
    order = np.argsort(np.array(events, np.int64), kind="stable")
    return Targets(
        log,
        np.array(events, np.int64)[order],
        np.array(earlier, np.int64)[order],
        np.zeros(len(events), np.int64),
        np.array(rested, np.bool_)[order],
    )


def model_scores(source: Source, targets: Targets, checkpoint: Checkpoint) -> Scores:
    """(n, E) by catalog index: the model's, with no counts of anything (day zero)."""
    scorer = CheckpointScorer(checkpoint, source.catalog)
    none = Trends.none(source.catalog)
    found = [
        scorer.scores([replace(each, trends=none) for each in batch])
        for batch in batches(prompts(source, targets, scorer.encoder))
    ]
    return np.concatenate(found).astype(np.float64)


def genre_popularity(log: EventLog, catalog: Catalog, until: float) -> Scores:
    """(E,) the shares that a title's genres had of the four weeks before ``until``, added up.

    A mean would hold hundreds of titles of the one leading genre alike.
    """
    genres = sorted({genre for entity in catalog.entities for genre in entity.genres})
    column = {genre: n for n, genre in enumerate(genres)}
    has = np.zeros((len(catalog.entities), len(genres)))
    for line, entity in zip(has, catalog.entities, strict=True):
        line[[column[genre] for genre in entity.genres]] = 1.0
    recent = log.entity[(log.ts >= until - FOUR_WEEKS_S) & (log.ts < until)]
    indices = [catalog.entity_index(log.entity_ids[entity]) for entity in recent.tolist()]
    counts = has[[index for index in indices if index is not None]].sum(axis=0)
    return np.asarray(has @ (counts / max(1.0, counts.sum())))


def neighbour_scores(
    log: EventLog, targets: Targets, catalog: Catalog, checkpoint: Checkpoint
) -> Scores:
    """(n, E) mean cosine of each title's content with the member's last ones."""
    content = content_encoder(checkpoint.encoder).encode(catalog.entities)  # (E, C) unit length
    found = np.zeros((len(targets), len(catalog.entities)))
    for line, user, earlier in zip(
        found, targets.user.tolist(), targets.earlier.tolist(), strict=True
    ):
        start = int(log.offsets[user])
        last = log.by_user[start + max(0, earlier - LAST) : start + earlier]
        indices = [catalog.entity_index(log.entity_ids[e]) for e in log.entity[last].tolist()]
        known = [index for index in indices if index is not None]
        if known:
            line[:] = content @ content[known].mean(axis=0)
    return found


def without_ids(checkpoint: Checkpoint, kept: Sequence[int] = ()) -> Checkpoint:
    """The checkpoint with every item's ID replaced by its type's fallback, but for tokens kept."""
    fallbacks = checkpoint.vocabulary.fallbacks().copy()
    fallbacks[list(kept)] = list(kept)
    wearing = torch.from_numpy(fallbacks).long()
    weights = dict(checkpoint.weights)
    for name in ("inputs.ids", "outputs.ids"):
        weights[name] = weights[name][wearing]
    return replace(checkpoint, weights=weights)
