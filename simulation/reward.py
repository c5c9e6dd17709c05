"""The true expected feedback on pages, and what it is worth.

The feedback model is a Markov chain over (place on the page, plays so far), so the expectation is
exact: one pass over the places carries the probability of standing there with so many plays.
`simulation.feedback` draws from the same chain; the two share the odds and nothing else.
"""

from dataclasses import dataclass

import numpy as np

from simulation.behaviour import ABANDON, PLAY, Behaviour, Values
from simulation.odds import Odds, logistic
from simulation.truth import Times


@dataclass(frozen=True)
class Expectation:
    """What a batch of pages leads to on average. Shapes as in `simulation.odds`."""

    seen: Times  # (B, P) probability that the place is seen
    outcomes: Times  # (B, P, O) probability of each outcome there
    played_s: Times  # (B, P) expected seconds of plays

    def reward(self, values: Values | None = None) -> Times:
        """(B,) the expected reward of each page: the sum over its places."""
        worth = values or Values()
        by_place = self.outcomes @ np.array(worth.outcomes) + worth.hour * self.played_s / 3600.0
        return np.asarray(by_place.sum(axis=1))


def expect(behaviour: Behaviour, odds: Odds) -> Expectation:
    """The expectation of `simulation.feedback.sample` over all its draws."""
    pages, rows = odds.onward.shape
    columns = odds.glance.shape[1]
    most = behaviour.most_plays
    seen = np.zeros((pages, rows * columns))
    engaged = np.zeros((pages, rows * columns))
    # (B, N) the probability of being here after 0..most-1 plays
    present = np.zeros((pages, most))
    present[:, 0] = 1.0
    tired = behaviour.satiation * np.arange(most)
    for row in range(rows):
        looking = present
        present = np.zeros((pages, most))
        for column in range(columns):
            place = row * columns + column
            there = np.isfinite(odds.attraction[:, place])[:, None]
            present += np.where(there, 0.0, looking)  # the row is over; on to the next
            looking = np.where(there, looking, 0.0)
            seen[:, place] = looking.sum(axis=1)
            logit = odds.attraction[:, place, None] - tired
            acting = looking * logistic(logit)  # (B, N)
            engaged[:, place] = acting.sum(axis=1)
            plays = acting * odds.outcomes[:, place, PLAY, None]
            abandons = acting * odds.outcomes[:, place, ABANDON, None]
            looking = looking - plays - behaviour.leave_after_abandon * abandons
            # Who stays after a play has one more behind them; after the last nobody stays.
            looking[:, 1:] += (1 - behaviour.leave_after_play) * plays[:, :-1]
            onward = odds.glance[:, column, None] if column < columns - 1 else 0.0
            present += (1 - onward) * looking
            looking = onward * looking
        present *= odds.onward[:, row, None]
    outcomes: Times = engaged[..., None] * odds.outcomes
    return Expectation(seen, outcomes, outcomes[..., PLAY] * odds.watching.expected_s)
