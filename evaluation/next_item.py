"""Next-item evaluation, rolling over the events of a period (PROTOCOLS, "Next-item protocol").

Each event's entity is ranked among all entities that somebody had before, less those that the
user had, with everything strictly before the event known, by the model and by each baseline.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evaluation.baselines import Baseline, baselines
from evaluation.log import Numbers
from evaluation.metrics import Report, Values, report
from evaluation.prompts import prompts
from evaluation.scorer import NextItemScorer, Question, Scores
from evaluation.source import Source
from evaluation.targets import Targets
from evaluation.uplift import Uplift
from genpage.errors import ArtefactError, DatasetError
from tokenizer.history import Histories
from training.ranking import middle_rank

# Prompts are scored in batches of about this many tokens, and never more than so many at once.
BATCH_TOKENS = 8_192
BATCH_PROMPTS = 64
# Says how many more events are done.
Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class NextItem:
    """The reports of a model, where there is one, and of the baselines."""

    model: Report | None
    baselines: Mapping[str, Report]
    uplifts: Mapping[str, Uplift]

    def document(self) -> dict[str, object]:
        """As PROTOCOLS writes it; ``uplift``: by what share the model is above each baseline."""
        return {
            "model": None if self.model is None else self.model.document(),
            "baselines": {name: found.document() for name, found in self.baselines.items()},
            "uplift": {name: found.document() for name, found in self.uplifts.items()},
        }


class Ranker(Protocol):
    """Ranks all targets in its own way: `evaluation.daily` learns on the way."""

    def __call__(
        self, source: Source, targets: Targets, own: Sequence[Numbers], progress: Progress
    ) -> Values:
        """(n,) the rank of each target's entity."""


def next_item(
    source: Source,
    targets: Targets,
    scorer: NextItemScorer | None = None,
    *,
    ranker: Ranker | None = None,
    multistage: bool = False,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> NextItem:
    """Rank every target; ``progress`` hears of each step done, of `steps` in all.

    With ``multistage`` the pipeline that the model replaces is one of the baselines, learnt anew
    every day (`evaluation.multistage.next_item`). A ``ranker`` stands in for a scorer.
    """
    if not len(targets):
        raise DatasetError(
            "there is no event to ask about in these days: it takes users with 5 earlier events "
            "and entities that somebody had before; choose other days with --from and --to"
        )
    own = [targets.own(index) for index in range(len(targets))]

    def reported(ranks: Values) -> Report:
        return report(ranks, targets.user, targets.rested, seed=seed)

    ranks = {
        name: baseline_ranks(baseline, targets, own, progress)
        for name, baseline in baselines(targets.log).items()
    }
    if multistage:
        from evaluation.multistage.next_item import multistage_ranks  # noqa: PLC0415 - trees, factors

        ranks["multistage"] = multistage_ranks(source, targets, progress)
    found = {name: reported(each) for name, each in ranks.items()}
    if ranker is not None:
        model = ranker(source, targets, own, progress)
    elif scorer is not None:
        model = model_ranks(scorer, source, targets, own, progress)
    else:
        return NextItem(None, found, {})
    uplifts = {
        name: Uplift.of(model, each, targets.user, targets.rested, seed=seed)
        for name, each in ranks.items()
    }
    return NextItem(reported(model), found, uplifts)


def steps(targets: Targets, *, with_model: bool, multistage: bool = False) -> int:
    """How many steps `next_item` reports: an event by a baseline, a prompt, an event by a model."""
    return len(targets) * (len(baselines(targets.log)) + 2 * with_model + multistage)


def baseline_ranks(
    baseline: Baseline, targets: Targets, own: Sequence[Numbers], progress: Progress
) -> Values:
    """(n,) the rank of each target's entity by a baseline."""
    ranks = np.empty(len(targets))
    columns = (targets.ts.tolist(), targets.entity.tolist(), targets.pool.tolist(), own)
    for index, (at, entity, pool, had) in enumerate(zip(*columns, strict=True)):
        ranks[index] = middle_rank(baseline.scores(at)[:pool], entity, had)
        progress(1)
    return ranks


def model_ranks(
    scorer: NextItemScorer,
    source: Source,
    targets: Targets,
    own: Sequence[Numbers],
    progress: Progress,
    histories: Histories | None = None,
) -> Values:
    """(n,) the rank of each target's entity by a model; ``histories`` as `prompts` takes them."""
    entity, pool = targets.entity, targets.pool
    ranks = np.empty(len(targets))
    columns = _Columns(scorer, source)
    first = 0
    for batch in batches(prompts(source, targets, scorer.encoder, histories)):
        for index, row in enumerate(columns.scores(batch), start=first):
            ranks[index] = middle_rank(row[: pool[index]], int(entity[index]), own[index])
        first += len(batch)
        progress(2 * len(batch))
    return ranks


class _Columns:
    """A model's scores in the log's order of entities instead of its catalog's."""

    def __init__(self, scorer: NextItemScorer, source: Source) -> None:
        self._scorer = scorer
        places = [scorer.catalog.entity_index(entity) for entity in source.log.entity_ids]
        self._known = np.array([place is not None for place in places], np.bool_)
        self._places = np.array([place or 0 for place in places], np.int64)

    def scores(self, batch: Sequence[Question]) -> Scores:
        """(n, E of the log); an entity that no catalog describes comes last."""
        scores = self._scorer.scores(batch)
        if not np.isfinite(scores).all():
            raise ArtefactError(
                "the model gave a score that is no number: its weights are broken; train it again"
            )
        ordered: Scores = np.where(self._known, scores[:, self._places], -np.inf)
        return ordered


def batches(questions: Iterable[Question]) -> Iterator[list[Question]]:
    """Questions in their order, in batches bounded in tokens and in number."""
    batch: list[Question] = []
    tokens = 0
    for question in questions:
        length = len(question.tokens)
        if batch and (tokens + length > BATCH_TOKENS or len(batch) == BATCH_PROMPTS):
            yield batch
            batch, tokens = [], 0
        batch.append(question)
        tokens += length
    if batch:
        yield batch
