"""Made-up members for parity and golden pages: every kind of prompt that serving meets.

A checkpoint holds no members, and a bundle must not carry real ones. Their histories are drawn
from its catalog, what is trending more often, all from one seed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from genpage.catalog import SECONDS_A_DAY, Catalog
from genpage.context import Context
from genpage.event import ACTIONS, Event
from genpage.grammar import PageGrammar
from genpage.profile import Profile, ProfileType
from genpage.request import Device, PageRequest
from genpage.rules import Rules
from genpage.trends import Trends
from model.trained_on import TrainedOn
from runtime.cases import Member

ROWS = 3
# The widest of these that a member's catalog fills at least two rows with.
_WIDTHS = (10, 5, 3, 1)
_DAYS = 60.0
_EVENING_H = 20.0


@dataclass(frozen=True, slots=True)
class _Sketch:
    """A member in words; no ``profile`` and no ``events`` is one that nobody knows."""

    name: str
    events: int
    profile: ProfileType | None
    device: Device
    maturity: int = 18


_SKETCHES = (
    _Sketch("newcomer", 0, None, "web"),
    _Sketch("beginner", 3, "adult", "phone"),
    _Sketch("regular", 40, "adult", "tv"),
    _Sketch("teenager", 70, "teen", "phone", 16),
    _Sketch("child", 25, "kid", "tablet", 7),
    _Sketch("devotee", 400, "adult", "tv"),
)


def made_up_members(
    catalog: Catalog, rules: Rules, trends: Trends, at: float, *, seed: int = 0
) -> tuple[Member, ...]:
    """The members, with requests at ``at`` (Unix seconds) that the catalog can answer."""
    weights = 1.0 + trends.scores.astype(np.float64) / max(
        1e-9, float(trends.scores.max(initial=0))
    )
    countries = sorted(catalog.by_country)
    members = []
    for number, sketch in enumerate(_SKETCHES):
        generator = np.random.default_rng([seed, number])
        country = countries[number % len(countries)] if countries and number else None
        context = _context(sketch, catalog, weights / weights.sum(), at, country, generator)
        request = _request(sketch, catalog, rules, trends, context, at)
        members.append(Member(sketch.name, context, request))
    return tuple(members)


def evening_after(catalog: Catalog, trained_on: TrainedOn | None) -> float:
    """When the members ask: the evening after the last day of training, or the last release."""
    if trained_on is not None:
        last = datetime.fromisoformat(trained_on.last).replace(tzinfo=UTC)
    else:
        released = catalog.released_at[np.isfinite(catalog.released_at)]
        last = datetime.fromtimestamp(float(released.max(initial=SECONDS_A_DAY)), UTC)
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1, hours=_EVENING_H)).timestamp()


def _context(
    sketch: _Sketch,
    catalog: Catalog,
    weights: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    at: float,
    country: str | None,
    generator: np.random.Generator,
) -> Context:
    profile = None
    if sketch.profile is not None:
        profile = Profile(
            sketch.name,
            profile_type=sketch.profile,
            country=country,
            maturity=sketch.maturity,
            ts=at - _DAYS * SECONDS_A_DAY,
        )
    count = sketch.events if catalog.entities else 0
    # No draw from an empty catalog, not even of none.
    chosen: list[int] = generator.choice(len(weights), count, p=weights).tolist() if count else []
    times = np.sort(at - generator.exponential(_DAYS / 4, count) * SECONDS_A_DAY)
    events = tuple(
        Event(
            event_id=f"{sketch.name}-{number}",
            user_id=sketch.name,
            entity_id=catalog.entities[entity].id,
            action=ACTIONS[int(generator.integers(len(ACTIONS)))],
            ts=round(float(ts), 3),
            duration_s=float(generator.integers(7200)) if number % 2 else None,
        )
        for number, (entity, ts) in enumerate(zip(chosen, times, strict=True))
    )
    revision = len(events) + (profile is not None)
    return Context(
        sketch.name,
        profile,
        events,
        revision=revision,
        updated_at=events[-1].ts if events else None,
    )


def _request(
    sketch: _Sketch,
    catalog: Catalog,
    rules: Rules,
    trends: Trends,
    context: Context,
    at: float,
) -> PageRequest:
    for width in _WIDTHS:
        request = PageRequest(
            sketch.name, at, rows=ROWS, entities_per_row=width, device=sketch.device
        )
        grammar = PageGrammar.start(catalog, rules, context, request, trends)
        if len(grammar.allowed_rows()) > 1:
            break
    return request
