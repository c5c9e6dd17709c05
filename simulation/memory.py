"""What the service has observed of its members, kept up event by event.

The logging policy reads it, and so does the feedback model, for what a member knows already; it
holds nothing that a log would not show.
"""

import numpy as np

from genpage.event import Action
from simulation.familiarity import BEGUN, after
from simulation.tables import Done
from simulation.truth import Floats, Times

# What an engagement says of a taste, relative to a play.
_EVIDENCE: dict[Action, float] = {
    "play": 1.0,
    "abandon": -0.7,
    "add_to_list": 0.7,
    "thumbs_up": 1.0,
    "thumbs_down": -1.2,
    "trailer": 0.3,
    "details": 0.2,
    "search": 0.7,
}
_LIKED = frozenset({"play", "thumbs_up", "add_to_list"})
# How far one engagement moves the guess, and how much of a guess is left after a day.
_STEP, KEPT_A_DAY = 0.45, 0.97


class Memory:
    """Mutated by `apply` and `pass_day`; one owner. Shape legend: M members, E entities."""

    def __init__(self, members: int, features: Floats, duration_s: Times) -> None:
        """``features`` (E, D) are what the policy can see of titles; ``duration_s`` is (E,)."""
        entities, width = features.shape
        self._features = features
        self._duration_s = [None if np.isnan(d) else float(d) for d in duration_s]
        self.familiarity = np.zeros((members, entities), np.int8)
        self.engaged = np.zeros((members, entities), np.bool_)
        self.rejected = np.zeros((members, entities), np.bool_)
        self.listed = np.zeros((members, entities), np.bool_)
        # The latest title liked, which "because you watched" goes by; -1 for none.
        self.anchor = np.full(members, -1, np.int32)
        self.taste = np.zeros((members, width), np.float32)
        self.busy_until = np.full(members, -np.inf)
        # Unfinished plays, the latest last: what `genpage.member_rows.unfinished` reads in events.
        self._begun: list[dict[int, None]] = [{} for _ in range(members)]

    def begun(self, member: int) -> list[int]:
        """The entities begun and not finished, most recent first."""
        return list(reversed(self._begun[member]))

    def apply(self, done: Done, *, is_titled: bool) -> None:
        """Take note; ``is_titled`` says that the entity is a film or show, which can be resumed."""
        member, entity, action = done.member, done.entity, done.action
        state = after(
            int(self.familiarity[member, entity]), action, done.watched_s, self._duration_s[entity]
        )
        self.familiarity[member, entity] = state
        self.engaged[member, entity] = True
        if action in _LIKED:
            self.anchor[member] = entity
        if action in {"play", "abandon"}:
            self._begun[member].pop(entity, None)
            if action == "play" and is_titled and state == BEGUN:
                self._begun[member][entity] = None
        elif action in {"thumbs_up", "thumbs_down"}:
            self.rejected[member, entity] = action == "thumbs_down"
        elif action in {"add_to_list", "remove_from_list"}:
            self.listed[member, entity] = action == "add_to_list"
        self.taste[member] += _STEP * _EVIDENCE.get(action, 0.0) * self._features[entity]
        self.busy_until[member] = max(self.busy_until[member], done.ts + (done.watched_s or 0.0))

    def pass_day(self) -> None:
        """Older evidence counts for less."""
        self.taste *= KEPT_A_DAY
