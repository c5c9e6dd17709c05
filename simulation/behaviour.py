"""How the simulated members behave: every constant of the feedback model, in one value.

The model, in the order in which a member meets a page:

1. *Examination* (position bias). The first row is examined; within a row the member looks on from
   column to column with the probabilities of `glance`, lower where the device must scroll. After a
   row the member goes on to the next one with a probability that grows with patience and with how
   attractive the row's first titles were, else leaves (abandonment of the page).
2. *Engagement*. A title that is seen is engaged with at probability sigmoid(attraction). Attraction
   falls with each play since the page was opened (satiation on the page) and with each title of the
   same strand that stands earlier on the page (dislike of near-duplicates).
3. *Outcome*. An engagement is a play, an abandoned play, or a light action; what is disappointing
   is abandoned more often, what satisfies is watched for longer.
4. *Leaving*. A play ends the visit at probability ``leave_after_play``, the last of ``most_plays``
   for certain.

Examination follows the cascade model (Craswell et al., WSDM 2008) with satiation as its state.
"""

from dataclasses import dataclass

from genpage.event import Action

# What a member can do on a page, in the order of every array with an axis of outcomes.
OUTCOMES: tuple[Action, ...] = (
    "play",
    "abandon",
    "add_to_list",
    "thumbs_up",
    "thumbs_down",
    "trailer",
    "details",
)
PLAY, ABANDON, LIST, UP, DOWN = range(5)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The constants. Probabilities unless said otherwise; logits are natural."""

    # Attraction and satisfaction, logits.
    base_attraction: float = -4.9
    taste_attraction: float = 1.6
    taste_satisfaction: float = 0.8
    quality_attraction: float = 0.35
    foreign_language: float = -1.1
    craving: float = 1.3  # how far today's craving moves the taste, in units of taste
    satiation: float = 0.6  # a logit less for each play on the page so far
    near_duplicate: float = 0.55  # a logit less for each earlier title of the same strand
    most_duplicates: int = 4  # more than so many disturb no further
    # By what the member already knows of the title: `simulation.familiarity.STATES`, logits.
    familiarity: tuple[float, ...] = (0.0, 1.9, -2.6, -2.2, -4.5, 0.9, 0.5)
    # Device (tv, phone, tablet, web) x kind (show, film, game, live), logits.
    device_kind: tuple[tuple[float, ...], ...] = (
        (0.0, 0.3, -1.5, 0.4),
        (0.2, -0.5, 0.6, 0.1),
        (0.3, 0.0, 0.4, -0.2),
        (0.1, 0.0, 0.1, 0.1),
    )
    # Examination.
    viewport: tuple[int, ...] = (6, 3, 4, 6)  # columns that a device shows without scrolling
    glance_inside: float = 0.95
    glance_scroll: float = 0.55
    glance_beyond: float = 0.88
    row_interest: float = 0.45
    row_reference: float = -3.2  # the attraction at which patience alone decides
    row_first: int = 5  # the titles by which a row is judged
    # Outcomes: shares among engagements (play, list, thumb, trailer, details).
    shares_new: tuple[float, ...] = (0.66, 0.10, 0.05, 0.09, 0.10)
    shares_known: tuple[float, ...] = (0.92, 0.0, 0.04, 0.0, 0.04)  # begun or listed titles
    abandon_bias: float = -1.0
    abandon_slope: float = -1.2
    finish_bias: float = 0.5
    finish_slope: float = 1.0
    binge_bias: float = -0.5
    binge_slope: float = 0.9
    most_episodes: int = 4
    leave_after_play: float = 0.6
    leave_after_abandon: float = 0.15
    most_plays: int = 3
    # Seconds.
    game_s: float = 7200.0
    live_s: float = 3600.0
    abandon_s: tuple[float, float] = (60.0, 600.0)


@dataclass(frozen=True, slots=True)
class Values:
    """What feedback is worth: a base for each of `OUTCOMES`, and hours of watching on top.

    A binge is worth more than ten minutes; abandonment is negative.
    """

    outcomes: tuple[float, ...] = (0.2, -0.5, 0.4, 0.8, -0.8, 0.1, 0.05)
    hour: float = 0.6
