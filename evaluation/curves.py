"""The curves of a run of days, by the lines of its journal: how stale, and how forgetful.

Beside the day that is to be learnt, each line says what a model makes of that day which was last
updated when the run began, 1 to 14 days ago, and what today's model makes of days of a day, a week
and two weeks ago (`evaluation.freshness`).
"""

from collections.abc import Mapping
from typing import Final

from dataset.day import day_start
from dataset.folder import DataFolder
from evaluation.freshness import AGES, older_slices, slice_document
from genpage.catalog import SECONDS_A_DAY
from model.checkpoint import Checkpoint
from training.journal import Line
from training.updates import Updates

# For so many days a model is followed that is not updated.
STALE_DAYS: Final = 14
_FIGURE: Final = "hr@10"


class Curves:
    """Judges beside a run of days that began with ``base``; trains nothing."""

    def __init__(self, folder: DataFolder, base: Checkpoint) -> None:
        self._stale = Updates(folder, base)
        self._began = day_start(self._stale.until)

    def of(self, fresh: Updates, day: str) -> dict[str, object]:
        """A day's part of its line, before ``fresh`` learns it."""
        age = 1 + round((day_start(day) - self._began) / SECONDS_A_DAY)
        stale = self._stale.judged(day) if age <= STALE_DAYS else None
        older = older_slices(fresh, day)
        return {
            "stale_days": age,
            "stale": None if stale is None else slice_document(stale),
            "older": {str(ago): slice_document(found) for ago, found in older.items()},
        }


def hr10(found: object) -> float | None:
    """A slice's share of hits, where it has one."""
    value = found.get(_FIGURE) if isinstance(found, Mapping) else None
    return value if isinstance(value, float) else None


def older_hr10(line: Line) -> list[float | None]:
    """That of the older days of a line, in the order of `AGES`."""
    older = line.get("older")
    found = older if isinstance(older, Mapping) else {}
    return [hr10(found.get(str(ago))) for ago in AGES]
