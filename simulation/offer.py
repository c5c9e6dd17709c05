"""Who may be shown what: the rules of `genpage.eligibility`, for many pages at once.

Shape legend: B pages, E entities.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.eligibility import eligible
from genpage.profile import Profile
from genpage.request import DEVICES, PageRequest
from genpage.rules import Rules
from simulation.odds import Visits
from simulation.truth import Times

Bools = NDArray[np.bool_]


class Offer:
    """What each profile may be shown, as masks: the rules of `genpage.eligibility` by the group."""

    def __init__(self, catalog: Catalog, rules: Rules, profiles: list[Profile]) -> None:
        self._catalog = catalog
        self._lead_s = rules.eligibility.live_lead_s
        # Everything that does not depend on the time, once a group; the time is added a page.
        self._timeless = replace(
            rules,
            eligibility=replace(
                rules.eligibility, licence_windows=False, released=False, live_lead_s=1e15
            ),
        )
        groups: dict[tuple[object, ...], int] = {}
        self._examples: list[Profile] = []
        self._group = np.empty(len(profiles), np.int32)
        for member, profile in enumerate(profiles):
            key = (profile.country, profile.maturity, profile.profile_type)
            if key not in groups:
                groups[key] = len(groups)
                self._examples.append(profile)
            self._group[member] = groups[key]
        self._masks = np.stack(
            [
                [self._mask(profile, device) for device in range(len(DEVICES))]
                for profile in self._examples
            ]
        )  # (groups, devices, E)

    def mask(self, visits: Visits) -> Bools:
        """(B, E) who may be shown what, apart from what the member rejected."""
        group = self._group[visits.member]
        mask: Bools = self._masks[group, visits.device]
        catalog, first, last = self._catalog, visits.at.min(), visits.at.max()
        mask &= self._on_offer(np.array([first]), np.arange(mask.shape[1]))
        # Few titles come or go between the first page and the last: those are looked at by page.
        edges = np.stack(
            [catalog.opens, catalog.closes, catalog.released_at, catalog.live_from - self._lead_s]
        )
        with np.errstate(invalid="ignore"):
            moving = np.flatnonzero(((edges > first) & (edges <= last)).any(axis=0))
        timeless = self._masks[group[:, None], visits.device[:, None], moving]
        mask[:, moving] = timeless & self._on_offer(visits.at, moving)
        return mask

    def _on_offer(self, at: Times, entities: NDArray[np.int64]) -> Bools:
        """(B, n) whether these are on offer at these times."""
        catalog, when = self._catalog, at[:, None]
        with np.errstate(invalid="ignore"):  # NaN, an unknown time, compares False
            return np.asarray(
                (catalog.opens[entities] <= when)
                & (when < catalog.closes[entities])
                & ~(catalog.released_at[entities] > when)
                & ~(catalog.live_from[entities] > when + self._lead_s)
            )

    def _mask(self, profile: Profile, device: int) -> Bools:
        request = PageRequest(profile.user_id, at=0.0, device=DEVICES[device])
        context = Context(profile.user_id, profile)
        return eligible(self._catalog, self._timeless, context, request)
