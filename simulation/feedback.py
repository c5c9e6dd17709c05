"""What members do with pages: one draw from the feedback model of `simulation.behaviour`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulation.behaviour import ABANDON, OUTCOMES, PLAY, Behaviour
from simulation.odds import Odds, Watching, logistic
from simulation.truth import Ints, Times

# Seconds on the page: a look at a title, and what an engagement takes beside its watching.
_LOOK_S, _ACT_S = 0.8, 6.0
_TINY = 1e-6


@dataclass(frozen=True)
class Feedback:
    """What happened at each place; (B, P) each."""

    seen: NDArray[np.bool_]
    outcome: Ints  # positions in `OUTCOMES`, -1 where nothing was done
    watched_s: Times  # of plays, abandoned or not; else 0
    after_s: Times  # seconds from opening the page to the engagement


def sample(behaviour: Behaviour, odds: Odds, random: np.random.Generator) -> Feedback:
    """Let each member walk its page once. Shape legend as in `simulation.odds`."""
    pages, rows = odds.onward.shape
    columns = odds.glance.shape[1]
    places = rows * columns
    seen = np.zeros((pages, places), np.bool_)
    outcome = np.full((pages, places), -1, np.int32)
    # Decides the engagement, its outcome, whether it ends the visit, and whether to look on.
    chance = random.random((4, places, pages), dtype=np.float32)
    onward = random.random((rows, pages), dtype=np.float32)
    present = np.arange(pages)  # who is still on the page
    plays = np.zeros(pages, np.int32)
    gone = np.zeros(pages, np.bool_)
    bounds = np.cumsum(odds.outcomes, axis=2)  # (B, P, O)
    leaves = np.zeros(len(OUTCOMES) + 1)
    leaves[PLAY], leaves[ABANDON] = behaviour.leave_after_play, behaviour.leave_after_abandon
    for row in range(rows):
        looking = present
        for column in range(columns):
            place = row * columns + column
            attraction = odds.attraction[looking, place]
            there = np.isfinite(attraction)
            looking, attraction = looking[there], attraction[there]
            if not len(looking):
                break
            seen[looking, place] = True
            logit = attraction - behaviour.satiation * plays[looking]
            engaged = looking[chance[0, place, looking] < logistic(logit)]
            if len(engaged):
                cut = bounds[engaged, place]
                draw = chance[1, place, engaged] * cut[:, -1]
                result = (draw[:, None] >= cut[:, :-1]).sum(axis=1)
                outcome[engaged, place] = result
                plays[engaged] += result == PLAY
                ends = np.where(plays[engaged] >= behaviour.most_plays, 1.0, leaves[result])
                gone[engaged[chance[2, place, engaged] < ends]] = True
                looking = looking[~gone[looking]]
            looking = looking[chance[3, place, looking] < odds.glance[looking, column]]
        present = present[~gone[present]]
        present = present[onward[row, present] < odds.onward[present, row]]
    watched = _watched(behaviour, odds.watching, outcome, random)
    spent = _LOOK_S * seen + _ACT_S * (outcome >= 0) + watched
    return Feedback(seen, outcome, watched, np.cumsum(spent, axis=1) - watched)


def _watched(
    behaviour: Behaviour, watching: Watching, outcome: Ints, random: np.random.Generator
) -> Times:
    """(B, P) seconds watched, given the outcomes."""
    watched = np.zeros(outcome.shape)
    first, last = behaviour.abandon_s
    abandoned = outcome == ABANDON
    watched[abandoned] = random.uniform(first, last, size=int(abandoned.sum()))
    played = outcome == PLAY
    watched[played] = watch_s(
        watching.unit_s[played],
        watching.finishes[played],
        np.where(watching.episodic[played], watching.binges[played], np.float32(0.0)),
        watching.timed[played],
        random.random(int(played.sum())),
        behaviour.most_episodes,
    )
    return watched


def watch_s(
    unit_s: Times,
    finishes: "NDArray[np.floating]",
    binges: "NDArray[np.floating]",
    timed: NDArray[np.bool_],
    length: Times,
    most_episodes: int,
) -> Times:
    """Seconds that plays last; arrays of one shape.

    One uniform draw decides all: its range is split at each decision and the part that was hit is
    stretched to [0, 1) again.
    """
    episodes = np.zeros_like(unit_s)
    going = np.ones(unit_s.shape, np.bool_)
    rest = length
    for _ in range(most_episodes - 1):
        more = going & (rest < binges)
        stops = going & ~more
        safe = np.clip(binges, _TINY, 1.0 - _TINY)
        rest = np.where(more, rest / safe, np.where(stops, (rest - binges) / (1.0 - safe), rest))
        episodes += more
        going = more
    finished = rest < finishes
    safe = np.clip(finishes, _TINY, 1.0 - _TINY)
    rest = np.clip(np.where(finished, rest / safe, (rest - finishes) / (1.0 - safe)), 0.0, 1.0)
    last = np.where(finished, 0.9 + 0.1 * rest, 0.1 + 0.75 * rest)
    return unit_s * np.where(timed, episodes + last, 0.1 + 0.9 * length)
