"""The true expected reward of any page, for any member of a simulated service, at any time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from dataset.folder import DataFolder
from genpage.errors import NotFoundError
from genpage.event import Action, Event
from genpage.page import Page
from genpage.request import DEVICES, Device
from simulation.behaviour import Values
from simulation.familiarity import NEW, after
from simulation.odds import Visits, weigh
from simulation.reward import Expectation, expect
from simulation.truth import Times, Truth

_NEEDED = ("user_id", "ts", "entity_id", "action", "duration_s")


@dataclass(frozen=True, slots=True)
class Showing:
    """A page that a member could be shown at ``at`` (Unix seconds).

    ``history`` is what the member did before, oldest first; None takes it from the data folder.
    """

    page: Page
    user_id: str
    at: float
    device: Device = "tv"
    history: Sequence[Event] | None = None


class Judge:
    """Knows the hidden truth of a simulated service, and what its members did."""

    def __init__(
        self, truth: Truth, log: Mapping[str, pl.DataFrame], values: Values | None = None
    ) -> None:
        """``log`` holds each member's events by time; `open` reads both from a folder."""
        self.truth = truth
        self.values = values or Values()
        self._log = log
        self._members = {str(name): index for index, name in enumerate(truth.member_ids)}
        self._entities = {str(name): index for index, name in enumerate(truth.entity_ids)}

    @classmethod
    def open(cls, folder: Path | str, values: Values | None = None) -> "Judge":
        """The judge of a folder that ``genpage simulate`` wrote."""
        data = DataFolder(folder)
        truth = Truth.load(data.path / "truth")
        events = data.events(columns=_NEEDED)
        parts = events.partition_by("user_id", as_dict=True, maintain_order=True)
        return cls(truth, {str(key[0]): lines for key, lines in parts.items()}, values)

    def reward(self, showing: Showing) -> float:
        """The true expected reward of one page; an id it does not know is a `NotFoundError`."""
        return float(self.rewards([showing])[0])

    def rewards(self, showings: Sequence[Showing]) -> Times:
        """(B,) the true expected reward of each page; much faster in batches."""
        return self.expectation(showings).reward(self.values)

    def expectation(self, showings: Sequence[Showing]) -> Expectation:
        """What each page leads to on average, place by place; pages are padded to the largest."""
        visits = Visits(
            np.array([self.member(showing.user_id) for showing in showings], np.int32),
            np.array([showing.at for showing in showings], np.float64),
            np.array([DEVICES.index(showing.device) for showing in showings], np.int32),
        )
        rows = max((len(showing.page.rows) for showing in showings), default=0)
        widths = (len(row.entity_ids) for showing in showings for row in showing.page.rows)
        entities = np.full((len(showings), rows, max(widths, default=0)), -1, np.int32)
        known = np.zeros_like(entities)
        for index, showing in enumerate(showings):
            states = self.states(showing)
            for place, row in enumerate(showing.page.rows):
                width = len(row.entity_ids)
                entities[index, place, :width] = [self._entity(e) for e in row.entity_ids]
                known[index, place, :width] = [states.get(e, NEW) for e in row.entity_ids]
        return expect(self.truth.behaviour, weigh(self.truth, visits, entities, known))

    def states(self, showing: Showing) -> dict[str, int]:
        """What the member knows at that time: entity id -> `simulation.familiarity` state."""
        if showing.history is not None:
            return self.fold(
                (event.entity_id, event.action, event.duration_s)
                for event in showing.history
                if event.ts < showing.at
            )
        lines = self._log.get(showing.user_id)
        if lines is None:
            return {}
        before = lines.filter(pl.col("ts") < showing.at)
        return self.fold(before.select("entity_id", "action", "duration_s").iter_rows())

    def fold(
        self,
        engagements: Iterable[tuple[str, Action, float | None]],
        states: dict[str, int] | None = None,
    ) -> dict[str, int]:
        """The states, ``states`` changed in place, after what was done and how long."""
        states = {} if states is None else states
        for entity, action, watched_s in engagements:
            index = self._entities.get(entity)
            if index is not None:
                length = float(self.truth.duration_s[index])
                states[entity] = after(
                    states.get(entity, NEW), action, watched_s, None if np.isnan(length) else length
                )
        return states

    def member(self, user_id: str) -> int:
        """A member's number; `NotFoundError` for anybody else."""
        try:
            return self._members[user_id]
        except KeyError:
            raise NotFoundError(f"the simulated service has no member {user_id!r}") from None

    def entities(self, entity_ids: Iterable[str]) -> list[int]:
        """Their numbers, -1 for those that came after the simulation."""
        return [self._entities.get(entity_id, -1) for entity_id in entity_ids]

    def _entity(self, entity_id: str) -> int:
        try:
            return self._entities[entity_id]
        except KeyError:
            raise NotFoundError(f"the simulated service has no entity {entity_id!r}") from None
