"""A log of engagements as columns by catalog index, and one member's part of it.

Shape legend: N events, h events of a member, E entities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.event import ACTIONS, Action

Ints = NDArray[np.int64]
Times = NDArray[np.float64]
# What an action says of a title, for likes and dislikes alike; a look alone says little.
_OPINION: dict[Action, float] = {"thumbs_up": 1.0, "thumbs_down": -1.0, "abandon": -0.5}
OPINIONS = np.array([_OPINION.get(action, 0.0) for action in ACTIONS], np.float32)


@dataclass(frozen=True, slots=True)
class Columns:
    """Events in time order; those of titles that the catalog lacks are left out."""

    user: Ints  # (N,)
    entity: Ints  # (N,)
    ts: Times  # (N,)
    action: Ints  # (N,) positions in `ACTIONS`
    seconds: Times  # (N,) watched, NaN where unknown

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        user: Ints,
        entity_ids: Sequence[str],
        ts: Times,
        actions: Sequence[Action],
        durations: Sequence[float | None],
    ) -> "Columns":
        """From columns in time order."""
        places = {action: place for place, action in enumerate(ACTIONS)}
        found = [catalog.entity_index(entity) for entity in entity_ids]
        known = np.array([index is not None for index in found], np.bool_)
        return cls(
            np.asarray(user, np.int64)[known],
            np.array([index for index in found if index is not None], np.int64),
            np.asarray(ts, np.float64)[known],
            np.array([places[action] for action in actions], np.int64)[known],
            np.array([np.nan if d is None else d for d in durations], np.float64)[known],
        )

    def until(self, at: float) -> "Columns":
        """What happened before ``at``."""
        end = int(np.searchsorted(self.ts, at, side="left"))
        return Columns(
            self.user[:end],
            self.entity[:end],
            self.ts[:end],
            self.action[:end],
            self.seconds[:end],
        )

    def history(self, events: Ints) -> "History":
        """The part that stands at ``events`` (h,)."""
        return History(
            self.entity[events], self.ts[events], self.action[events], self.seconds[events]
        )


@dataclass(frozen=True, slots=True)
class History:
    """What a member did, oldest first: (h,) each."""

    entity: Ints
    ts: Times
    action: Ints
    seconds: Times

    @classmethod
    def of(cls, catalog: Catalog, context: Context) -> "History":
        """A context's events."""
        known = [
            (index, event)
            for event in context.events
            if (index := catalog.entity_index(event.entity_id)) is not None
        ]
        seconds = [event.duration_s for _, event in known]
        return cls(
            np.array([index for index, _ in known], np.int64),
            np.array([event.ts for _, event in known], np.float64),
            np.array([ACTIONS.index(event.action) for _, event in known], np.int64),
            np.array([np.nan if s is None else s for s in seconds], np.float64),
        )
