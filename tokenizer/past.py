"""What a member did, in columns by catalog index: what the appeal of titles is told from.

Shape legend: h events, E entities.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.context import HISTORY_LIMIT, Context
from genpage.event import ACTIONS

Ints = NDArray[np.int64]
Times = NDArray[np.float64]
_CODES: Final = {action: code for code, action in enumerate(ACTIONS)}


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Oldest first, (h,) each; titles that the catalog lacks are left out."""

    entity: Ints
    action: Ints  # positions in `ACTIONS`
    ts: Times  # Unix seconds
    seconds: Times  # watched, NaN where unknown

    @classmethod
    def of(cls, catalog: Catalog, context: Context) -> "Past":
        """A context's events."""
        events = context.events[-HISTORY_LIMIT:]
        found = [catalog.entity_index(event.entity_id) for event in events]
        known = [(n, e) for n, e in zip(found, events, strict=True) if n is not None]
        seconds = [np.nan if e.duration_s is None else e.duration_s for _, e in known]
        return cls(
            np.array([n for n, _ in known], np.int64),
            np.array([_CODES[e.action] for _, e in known], np.int64),
            np.array([e.ts for _, e in known], np.float64),
            np.array(seconds, np.float64),
        )

    def until(self, at: float) -> "Past":
        """What lay before ``at``."""
        end = int(np.searchsorted(self.ts, at, side="left"))
        return Past(self.entity[:end], self.action[:end], self.ts[:end], self.seconds[:end])
