"""What members do beside their page: search when it led to nothing, rate, tidy their lists."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.feedback import watch_s
from simulation.memory import Memory
from simulation.odds import Visits, appeal, logistic, watching
from simulation.offer import Offer
from simulation.plackett_luce import draw
from simulation.tables import Done
from simulation.truth import Ints, Truth

_SEARCHES, _RATES, _TIDIES = 0.3, 0.12, 0.5
_LOOKED_S, _SEARCH_S, _RATE_S, _TIDY_S = 45.0, 25.0, 20.0, 5.0
_SEARCH_SHARPNESS = 1.5


@dataclass(frozen=True)
class Beside:
    """Draws engagements without a page. Reads the memory as it was before the visits."""

    truth: Truth
    memory: Memory
    offer: Offer

    def after(
        self, visits: Visits, done: Sequence[Done], random: np.random.Generator
    ) -> list[Done]:
        """All that follows from the visits, in which ``done`` was done on the pages."""
        plays = [one for one in done if one.action == "play"]
        searches = self._searches(visits, done, random)
        plays += [one for one in searches if one.action == "play"]
        return searches + self._ratings(visits, plays, random) + self._tidies(plays, random)

    def _searches(
        self, visits: Visits, done: Sequence[Done], random: np.random.Generator
    ) -> list[Done]:
        """Who played nothing may look for what they like most, and play it."""
        over = {int(member): float(at) + _LOOKED_S for member, at in _openings(visits)}
        for one in done:
            over[one.member] = max(over[one.member], one.ts + (one.watched_s or 0.0))
        content = {one.member for one in done if one.action == "play"}
        wants = random.random(len(visits.member)) < _SEARCHES
        wants &= ~np.isin(visits.member, list(content))
        if not wants.any():
            return []
        who = Visits(visits.member[wants], visits.at[wants], visits.device[wants])
        known = self.memory.familiarity[who.member].astype(np.int32)
        entities = np.broadcast_to(np.arange(known.shape[1], dtype=np.int32), known.shape)
        attraction, _ = appeal(self.truth, who, entities, known)
        allowed = self.offer.mask(who) & ~self.memory.rejected[who.member]
        weights = np.exp(_SEARCH_SHARPNESS * attraction) * allowed
        able = weights.sum(axis=1) > 0
        who = Visits(who.member[able], who.at[able], who.device[able])
        found = draw(weights[able], 1, random).items.astype(np.int32)
        watched = self._watched(who, found, random)
        engagements = []
        for member, entity, seconds in zip(who.member, found[:, 0], watched, strict=True):
            ts = round(over[int(member)] + _SEARCH_S, 3)
            engagements.append(Done(int(member), int(entity), "search", ts))
            engagements.append(
                Done(int(member), int(entity), "play", round(ts + 5.0, 3), float(seconds))
            )
        return engagements

    def _watched(self, visits: Visits, entities: Ints, random: np.random.Generator) -> Ints:
        known = np.zeros_like(entities)
        _, satisfaction = appeal(self.truth, visits, entities, known)
        how = watching(self.truth, entities, satisfaction)
        binges = np.where(how.episodic, how.binges, np.float32(0.0))
        seconds = watch_s(
            how.unit_s,
            how.finishes,
            binges,
            how.timed,
            random.random(entities.shape),
            how.most_episodes,
        )
        return np.round(seconds[:, 0], 1)

    def _ratings(
        self, visits: Visits, plays: Sequence[Done], random: np.random.Generator
    ) -> list[Done]:
        """A thumb after some plays, up or down by how far the title satisfied."""
        rated = [one for one in plays if random.random() < _RATES]
        if not rated:
            return []
        place = {int(member): index for index, member in enumerate(visits.member)}
        lines = np.array([place[one.member] for one in rated])
        who = Visits(visits.member[lines], visits.at[lines], visits.device[lines])
        entities = np.array([[one.entity] for one in rated], np.int32)
        _, satisfaction = appeal(self.truth, who, entities, np.zeros_like(entities))
        likes = random.random(len(rated)) < logistic(satisfaction[:, 0])
        return [
            Done(
                one.member,
                one.entity,
                "thumbs_up" if like else "thumbs_down",
                round(one.ts + (one.watched_s or 0.0) + _RATE_S, 3),
            )
            for one, like in zip(rated, likes, strict=True)
        ]

    def _tidies(self, plays: Sequence[Done], random: np.random.Generator) -> list[Done]:
        """What was played is taken off the list by some."""
        return [
            Done(
                one.member,
                one.entity,
                "remove_from_list",
                round(one.ts + (one.watched_s or 0.0) + _TIDY_S, 3),
            )
            for one in plays
            if self.memory.listed[one.member, one.entity] and random.random() < _TIDIES
        ]


def _openings(visits: Visits) -> "zip[tuple[np.int32, np.float64]]":
    return zip(visits.member, visits.at, strict=True)
