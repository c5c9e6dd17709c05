"""Who may see what: the rules that do not depend on the page, as one mask over the catalog.

The mask is the intersection of all rules; selection happens inside it, never on masked-out logits,
so that an ineligible entity cannot be emitted. Most of it is the same for many members (`Viewer`)
and is kept for them (`genpage.audience`); a member's own is what they rejected or have excluded.
"""

from dataclasses import dataclass

import numpy as np

from genpage.catalog import BoolArray, Catalog
from genpage.context import Context
from genpage.entity import ENTITY_KINDS
from genpage.profile import ProfileType
from genpage.request import Device, PageRequest
from genpage.rule_sections import Exclusions
from genpage.rules import Rules


@dataclass(frozen=True, slots=True)
class Viewer:
    """What eligibility asks of a member and a request; None where it makes no difference.

    Members who are alike in it are offered the same at the same time.
    """

    country: str | None
    maturity: int | None
    profile_type: ProfileType | None
    device: Device | None

    @classmethod
    def of(cls, catalog: Catalog, rules: Rules, context: Context, request: PageRequest) -> "Viewer":
        """The country is the profile's; where there is none, the locale's.

        A member without a profile, or whose profile is not to be had now, is whom the rules'
        ``without_profile`` says.
        """
        profile = context.profile or rules.assumed_profile(context.user_id)
        country = profile.country or request.country
        limited = rules.eligibility.countries and country in catalog.by_country
        return cls(
            country if limited else None,
            profile.maturity if rules.eligibility.maturity else None,
            profile.profile_type if profile.profile_type in rules.profiles else None,
            request.device if request.device in rules.devices else None,
        )


def eligible(catalog: Catalog, rules: Rules, context: Context, request: PageRequest) -> BoolArray:
    """(E,) the entities that this member may be shown by this request."""
    mask = offered(catalog, rules, Viewer.of(catalog, rules, context, request), request.at)
    mask[list(barred(catalog, rules, context, request))] = False
    return mask


def offered(catalog: Catalog, rules: Rules, viewer: Viewer, at: float) -> BoolArray:
    """(E,) the entities that such a viewer may be shown at a time."""
    mask = _on_offer(catalog, rules, at)
    if rules.eligibility.countries:
        mask &= catalog.by_country.get(viewer.country or "", catalog.everywhere)
    if viewer.maturity is not None:
        mask &= catalog.maturity <= viewer.maturity
    if viewer.profile_type is not None:
        mask &= _within(catalog, rules.profiles[viewer.profile_type])
    if viewer.device is not None:
        mask &= _within(catalog, rules.devices[viewer.device])
    return mask


def barred(
    catalog: Catalog, rules: Rules, context: Context, request: PageRequest
) -> tuple[int, ...]:
    """Catalog indices of what this member rejected or this request excludes."""
    own = rejected(context) if rules.eligibility.rejected else frozenset()
    return catalog.indices(own | request.exclude)


def rejected(context: Context) -> frozenset[str]:
    """The entities that the member's latest opinion is ``thumbs_down`` of."""
    opinions = {
        event.entity_id: event.action
        for event in context.events
        if event.action in {"thumbs_up", "thumbs_down"}
    }
    return frozenset(entity for entity, action in opinions.items() if action == "thumbs_down")


def _on_offer(catalog: Catalog, rules: Rules, at: float) -> BoolArray:
    mask = np.ones(len(catalog.entities), np.bool_)
    with np.errstate(invalid="ignore"):  # NaN, an unknown time, compares False
        if rules.eligibility.licence_windows:
            mask &= (catalog.opens <= at) & (at < catalog.closes)
        if rules.eligibility.released:
            mask &= ~(catalog.released_at > at)
        mask &= ~(catalog.live_from > at + rules.eligibility.live_lead_s)
    return mask


def _within(catalog: Catalog, excluded: Exclusions) -> BoolArray:
    mask = np.ones(len(catalog.entities), np.bool_)
    if excluded.maximum_maturity is not None:
        mask &= catalog.maturity <= excluded.maximum_maturity
    for genre in excluded.exclude_genres:
        if genre in catalog.by_genre:
            mask &= ~catalog.by_genre[genre]
    for kind in excluded.exclude_kinds:
        mask &= catalog.kind != ENTITY_KINDS.index(kind)
    return mask
