"""Next-item evaluation of a model that trains on each finished day before the next (PROTOCOLS).

The days between the model's last one and the period's first come first. Each event is ranked by
the model of its day's morning, which has seen nothing of that day but the context.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dataset.day import day_of, day_start
from evaluation.checkpoint_scorer import CheckpointScorer
from evaluation.log import Numbers
from evaluation.metrics import Values
from evaluation.next_item import Progress, model_ranks
from evaluation.prompts import histories_of
from evaluation.source import Period, Source
from evaluation.targets import Targets
from evaluation.unseen import refuse_seen
from genpage.catalog import SECONDS_A_DAY
from training.cadence import Cadence
from training.updates import Update, Updates

if TYPE_CHECKING:
    from tokenizer.history import Histories

Watch = Callable[[Update], object]


@dataclass(frozen=True, slots=True, eq=False)
class DailyRanker:
    """`evaluation.next_item.Ranker` that learns day by day; mutates the updates it is given."""

    updates: Updates
    period: Period
    cadence: Cadence
    watch: Watch = lambda _update: None

    def __call__(
        self,
        source: Source,
        targets: Targets,
        own: Sequence[Numbers],
        progress: Progress,
    ) -> Values:
        """(n,) the rank of each target's entity by the model of its day."""
        period = self.period
        refuse_seen(self.updates.until, period.first, "--from")
        for day in days_between(self.updates.until, period.first):
            self.watch(self.updates.day(day, self.cadence, judge=False))
        ranks = np.empty(len(targets))
        histories: Histories | None = None
        for day in days_between(period.first, period.last):
            start = day_start(day)
            of_day = (targets.ts >= start) & (targets.ts < start + SECONDS_A_DAY)
            mine = np.flatnonzero(of_day)
            some = replace(
                targets,
                event=targets.event[mine],
                earlier=targets.earlier[mine],
                pool=targets.pool[mine],
                rested=targets.rested[mine],
            )
            scorer = CheckpointScorer(self.updates.checkpoint(), source.catalog)
            # The vocabulary grew once, with the folder's catalog.
            histories = histories or histories_of(source, scorer.encoder.vocabulary)
            held = [own[i] for i in mine.tolist()]
            ranks[mine] = model_ranks(scorer, source, some, held, progress, histories)
            self.watch(self.updates.day(day, self.cadence, judge=False))
        return ranks


def days_between(first: str, last: str) -> list[str]:
    """The days ``[first, last)``."""
    return [
        day_of(ts) for ts in np.arange(day_start(first), day_start(last), SECONDS_A_DAY).tolist()
    ]
