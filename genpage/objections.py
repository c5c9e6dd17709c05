"""What speaks against one title on a member's page: the slow twin of `genpage.eligibility`.

Part of `genpage.audit`: plain Python that shares no code with the masks.
"""

from collections.abc import Collection, Iterator

from genpage.catalog import SECONDS_A_DAY
from genpage.entity import Entity
from genpage.profile import Profile
from genpage.request import PageRequest
from genpage.row import Where
from genpage.rule_sections import EligibilityRules, Exclusions
from genpage.rules import Rules


def objections(
    entity: Entity, rules: Rules, profile: Profile, request: PageRequest, rejected: Collection[str]
) -> Iterator[str]:
    """Names of the rules that keep it off the page, whatever else stands there.

    ``rejected`` are ids of titles that the member wants no more of.
    """
    eligibility = rules.eligibility
    yield from _untimely(entity, eligibility, request.at)
    if eligibility.maturity and entity.maturity > profile.maturity:
        yield "maturity"
    country = profile.country or request.country
    if eligibility.countries and entity.countries and country not in entity.countries:
        yield "country"
    if eligibility.rejected and entity.id in rejected:
        yield "rejected"
    if entity.id in request.exclude:
        yield "excluded"
    for excluded in (
        rules.profiles.get(profile.profile_type),
        rules.devices.get(request.device),
    ):
        if excluded is not None:
            yield from _beyond(entity, excluded)


def _untimely(entity: Entity, rules: EligibilityRules, at: float) -> Iterator[str]:
    if rules.licence_windows:
        if entity.available_from is not None and at < entity.available_from:
            yield "licence-not-begun"
        if entity.available_until is not None and at >= entity.available_until:
            yield "licence-ended"
        if entity.live_until is not None and at >= entity.live_until:
            yield "live-over"
    if rules.released and entity.released_at is not None and entity.released_at > at:
        yield "unreleased"
    if entity.live_from is not None and entity.live_from > at + rules.live_lead_s:
        yield "live-too-early"


def _beyond(entity: Entity, excluded: Exclusions) -> Iterator[str]:
    if excluded.maximum_maturity is not None and entity.maturity > excluded.maximum_maturity:
        yield "profile-maturity"
    if set(excluded.exclude_genres) & set(entity.genres):
        yield "excluded-genre"
    if entity.kind in excluded.exclude_kinds:
        yield "excluded-kind"


def selects(where: Where, entity: Entity, at: float) -> bool:
    """Whether a title is what a row asks for at this time."""
    genres = set(entity.genres)
    conditions = [set(where.genres_all) <= genres]
    if where.genres_any:
        conditions.append(bool(genres & set(where.genres_any)))
    if where.kinds:
        conditions.append(entity.kind in where.kinds)
    if where.year_from is not None:
        conditions.append(entity.year is not None and entity.year >= where.year_from)
    if where.year_to is not None:
        conditions.append(entity.year is not None and entity.year <= where.year_to)
    if where.languages:
        conditions.append(bool(set(where.languages) & set(entity.languages)))
    if where.released_within_days is not None:
        window = where.released_within_days * SECONDS_A_DAY
        released = entity.released_at
        conditions.append(released is not None and at - window <= released <= at)
    return all(conditions)
