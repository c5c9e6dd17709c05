"""What a day's update is worth: a model that learns daily beside one that does not, day by day.

- The *stale* curve: how good a model is that was last updated k days ago, beside the one that was
  updated last night, on the same questions. Both know each question's own counts and history, as a
  server does whose model is old; weights and lists of what goes together are of then.
- The *forgetting* curve: how good today's model is on the days of a week and of two weeks ago,
  with the lists of those days; beside how good the model of then was on them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dataset.day import day_of, day_start
from genpage.catalog import SECONDS_A_DAY
from genpage.errors import UsageError
from training.cadence import Cadence
from training.updates import Slice, Updates

# How old the days are that today's model is asked about again.
AGES = (1, 7, 14)


@dataclass(frozen=True, slots=True)
class FreshnessDay:
    """One day: the fresh and the stale model on it, and the fresh one on older days.

    ``age`` is for how many days the stale model was not updated, ``older`` by how old the day is.
    """

    day: str
    age: int
    fresh: Slice
    stale: Slice
    older: dict[int, Slice]


def freshness(
    fresh: Updates, stale: Updates, until: str, cadence: Cadence
) -> Iterator[FreshnessDay]:
    """The days from both models' end to ``until``; mutates ``fresh``, which learns each of them.

    `UsageError` where the two have not seen the same days.
    """
    if fresh.until != stale.until:
        raise UsageError(
            f"the fresh model was trained up to {fresh.until}, the stale one to {stale.until}: "
            "their curves begin on the same day; give one checkpoint for both"
        )
    began = day_start(fresh.until)
    while fresh.until < until:
        day = fresh.until
        start = day_start(day)
        older = older_slices(fresh, day)
        found = stale.judged(day)
        before = fresh.day(day, cadence).before
        if before is None:
            raise RuntimeError("a judged day has no slice. This is a bug.")
        age = 1 + round((start - began) / SECONDS_A_DAY)
        yield FreshnessDay(day, age, before, found, older)


def older_days(day: str) -> dict[int, str]:
    """The days before ``day`` that are asked about again, by how old they are."""
    return {ago: day_of(day_start(day) - ago * SECONDS_A_DAY) for ago in AGES}


def older_slices(fresh: Updates, day: str) -> dict[int, Slice]:
    """What a model makes of days before ``day``, with their own lists, by how old they are."""
    return {ago: fresh.judged(then, lists_of=then) for ago, then in older_days(day).items()}


def document(day: FreshnessDay) -> dict[str, object]:
    """As JSON."""
    return {
        "day": day.day,
        "stale_days": day.age,
        "fresh": slice_document(day.fresh),
        "stale": slice_document(day.stale),
        "older": {str(ago): slice_document(found) for ago, found in day.older.items()},
    }


def slice_document(found: Slice) -> dict[str, object]:
    """As JSON."""
    return {
        "questions": found.questions,
        "nats": found.nats,
        "hr@10": found.hr10,
        "ndcg@10": found.ndcg10,
    }
