"""What a page's every place is worth to a member before anything is known of examination.

Shape legend: B visits, R rows of a page, C columns, P = R x C places in reading order,
O outcomes, D taste dimensions. A place without an entity holds -1 in ``entities``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genpage.entity import ENTITY_KINDS
from simulation.behaviour import OUTCOMES
from simulation.familiarity import BEGUN, LISTED
from simulation.product import product
from simulation.truth import Floats, Ints, Times, Truth

_FILM, _SHOW = ENTITY_KINDS.index("film"), ENTITY_KINDS.index("show")
_GAME = ENTITY_KINDS.index("game")


@dataclass(frozen=True)
class Visits:
    """Who opens a page, when, on what. Arrays of (B,)."""

    member: Ints
    at: Times
    device: Ints


@dataclass(frozen=True)
class Watching:
    """How a play at each place would go; (B, P) each."""

    finishes: Floats  # probability that what is on last is watched to its end
    binges: Floats  # probability of one more episode, each time
    unit_s: Times  # seconds of a film, an episode, or a usual sitting
    episodic: NDArray[np.bool_]
    timed: NDArray[np.bool_]  # has a length of its own
    most_episodes: int

    @property
    def expected_s(self) -> Times:
        """(B, P) seconds that a play lasts on average."""
        more = sum(self.binges**episode for episode in range(1, self.most_episodes))
        last = 0.95 * self.finishes + 0.475 * (1 - self.finishes)
        return np.asarray(self.unit_s * np.where(self.timed, last + self.episodic * more, 0.55))


@dataclass(frozen=True)
class Odds:
    """What could happen at each place, were it seen."""

    attraction: Floats  # (B, P) logit of engaging on an unplayed page; -inf without an entity
    outcomes: Floats  # (B, P, O) given an engagement
    watching: Watching
    onward: Floats  # (B, R) probability of going on to the next row after this one
    glance: Floats  # (B, C) probability of looking on to the next column


def weigh(truth: Truth, visits: Visits, entities: Ints, familiarity: Ints) -> Odds:
    """The odds of whole pages: ``entities`` and ``familiarity`` are (B, R, C)."""
    behaviour = truth.behaviour
    pages, rows, columns = entities.shape
    flat = entities.reshape(pages, -1)  # (B, P)
    there = flat >= 0
    known = np.where(there, familiarity.reshape(pages, -1), 0)
    attraction, satisfaction = appeal(truth, visits, np.maximum(flat, 0), known)
    strands = np.where(there, truth.strand[flat], -1)
    repeats = np.minimum(earlier_equals(strands), behaviour.most_duplicates)
    attraction -= np.float32(behaviour.near_duplicate) * repeats
    attraction = np.where(there, attraction, np.float32(-np.inf))
    return Odds(
        attraction=attraction,
        outcomes=_outcomes(truth, satisfaction, known),
        watching=watching(truth, np.maximum(flat, 0), satisfaction),
        onward=_onward(truth, visits, attraction.reshape(pages, rows, columns)),
        glance=_glance(truth, visits, columns),
    )


def appeal(truth: Truth, visits: Visits, entities: Ints, known: Ints) -> tuple[Floats, Floats]:
    """Attraction and satisfaction (B, P) of entities (B, P), each for itself, in logits."""
    behaviour = truth.behaviour
    taste = truth.taste(visits.member, visits.at)  # (B, D)
    # All titles at once are one matrix product, cheaper than gathering the vectors of some.
    fit = np.take_along_axis(product(taste, truth.vectors.T), entities, axis=1)
    kind = truth.kind[entities]
    devices = np.array(behaviour.device_kind, np.float32)
    attraction = behaviour.base_attraction + behaviour.taste_attraction * fit
    attraction += behaviour.quality_attraction * truth.quality[entities] + truth.allure[entities]
    attraction += devices[visits.device[:, None], kind]
    attraction += truth.eagerness[visits.member][:, None]
    spoken = truth.languages[entities, truth.language[visits.member][:, None]]
    attraction += np.where(spoken, 0.0, behaviour.foreign_language)
    attraction += np.array(behaviour.familiarity, np.float32)[known]
    attraction += _attention(truth, visits.at, entities)
    satisfaction = behaviour.taste_satisfaction * fit + truth.quality[entities]
    return attraction.astype(np.float32), satisfaction.astype(np.float32)


def watching(truth: Truth, entities: Ints, satisfaction: Floats) -> Watching:
    """How plays of these entities go, given how far each satisfies; (B, P) all."""
    behaviour = truth.behaviour
    kind = truth.kind[entities]
    own = truth.duration_s[entities]
    timed = (kind == _FILM) | (kind == _SHOW)
    sitting = np.where(kind == _GAME, behaviour.game_s, behaviour.live_s)
    sitting = sitting * (0.5 + logistic(satisfaction))
    return Watching(
        finishes=logistic(behaviour.finish_bias + behaviour.finish_slope * satisfaction),
        binges=logistic(behaviour.binge_bias + behaviour.binge_slope * satisfaction),
        unit_s=np.where(timed & np.isfinite(own), own, sitting),
        episodic=kind == _SHOW,
        timed=timed,
        most_episodes=behaviour.most_episodes,
    )


def earlier_equals(values: Ints) -> Ints:
    """(B, P) how many earlier places of the row hold the same value; 0 for negative values."""
    order = np.argsort(values, axis=1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=1)
    places = np.arange(values.shape[1])
    starts = np.concatenate(
        [np.ones((len(values), 1), np.bool_), ranked[:, 1:] != ranked[:, :-1]], axis=1
    )
    first = np.maximum.accumulate(np.where(starts, places, 0), axis=1)
    counts = np.empty_like(values)
    np.put_along_axis(counts, order, (places - first).astype(values.dtype), axis=1)
    return np.where(values >= 0, counts, 0).astype(np.int32)


def logistic(logits: "NDArray[np.floating]") -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), np.float32)


def _attention(truth: Truth, at: Times, entities: Ints) -> Floats:
    """(B, P). The moment is taken by the hour: a burst does not change faster."""
    hours, place = np.unique(np.floor(at / 3600.0), return_inverse=True)
    return np.asarray(truth.attention(hours * 3600.0)[place[:, None], entities])


def _outcomes(truth: Truth, satisfaction: Floats, known: Ints) -> Floats:
    """(B, P, O) in the order of `OUTCOMES`."""
    behaviour = truth.behaviour
    familiar = ((known == BEGUN) | (known == LISTED))[..., None]
    shares = np.where(
        familiar,
        np.array(behaviour.shares_known, np.float32),
        np.array(behaviour.shares_new, np.float32),
    )
    play, added, thumb, trailer, details = np.moveaxis(shares, -1, 0)
    abandons = logistic(behaviour.abandon_bias + behaviour.abandon_slope * satisfaction)
    likes = logistic(satisfaction)
    outcomes = np.empty((*satisfaction.shape, len(OUTCOMES)), np.float32)
    outcomes[..., 0] = play * (1 - abandons)
    outcomes[..., 1] = play * abandons
    outcomes[..., 2] = added
    outcomes[..., 3] = thumb * likes
    outcomes[..., 4] = thumb * (1 - likes)
    outcomes[..., 5] = trailer
    outcomes[..., 6] = details
    return outcomes


def _onward(truth: Truth, visits: Visits, attraction: Floats) -> Floats:
    """(B, R) by patience and by the first titles of the row; a row without any is passed over."""
    behaviour = truth.behaviour
    first = attraction[:, :, : behaviour.row_first]  # (B, R, first)
    there = np.isfinite(first)
    total = np.where(there, first, 0.0).sum(axis=2)
    interest = total / np.maximum(1, there.sum(axis=2)) - behaviour.row_reference
    logit = truth.patience[visits.member][:, None] + behaviour.row_interest * interest
    return np.where(there.any(axis=2), logistic(logit), np.float32(1.0))


def _glance(truth: Truth, visits: Visits, columns: int) -> Floats:
    """(B, C) by device: looking on is easy inside the viewport, a scroll is an effort."""
    behaviour = truth.behaviour
    column = np.arange(columns)
    table = np.full((len(behaviour.viewport), columns), behaviour.glance_beyond, np.float32)
    for device, width in enumerate(behaviour.viewport):
        table[device, column < width - 1] = behaviour.glance_inside
        table[device, column == width - 1] = behaviour.glance_scroll
    return table[visits.device]
