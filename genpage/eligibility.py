"""Who may see what: the rules that do not depend on the page, as one mask over the catalog.

The mask is the intersection of all rules; selection happens inside it, never on masked-out logits,
so that an ineligible entity cannot be emitted.
"""

import numpy as np

from genpage.catalog import BoolArray, Catalog
from genpage.context import Context
from genpage.entity import ENTITY_KINDS
from genpage.request import PageRequest
from genpage.rules import Exclusions, Rules


def eligible(catalog: Catalog, rules: Rules, context: Context, request: PageRequest) -> BoolArray:
    """(E,) the entities that this member may be shown by this request.

    The country is the profile's; where there is none, the locale's. A member without a profile,
    or whose profile is not to be had now, is whom the rules' ``without_profile`` says.
    """
    profile = context.profile or rules.assumed_profile(context.user_id)
    mask = _on_offer(catalog, rules, request.at)
    if rules.eligibility.countries:
        country = profile.country or request.country
        mask &= catalog.by_country.get(country or "", catalog.everywhere)
    if rules.eligibility.maturity:
        mask &= catalog.maturity <= profile.maturity
    for excluded in (
        rules.profiles.get(profile.profile_type),
        rules.devices.get(request.device),
    ):
        if excluded is not None:
            mask &= _within(catalog, excluded)
    if rules.eligibility.rejected:
        mask[list(catalog.indices(rejected(context)))] = False
    mask[list(catalog.indices(request.exclude))] = False
    return mask


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
