"""Every term of the reward against plain arithmetic, and the sums against a plain loop."""

import math

import polars as pl
import pytest

from genpage.event import Action
from training.rewards.declaration import Rewards
from training.rewards.terms import act_terms, line_rewards

REWARDS = Rewards.parse(
    """
schema = 1
[play]
base = 0.2
completed = 0.3
hour = 0.4
most_hours = 2.0
binge = 0.1
most_binge = 3.0
[actions]
abandon = -0.5
add_to_list = 0.4
remove_from_list = -0.2
thumbs_up = 0.8
thumbs_down = -0.9
trailer = 0.15
details = 0.05
search = 0.01
[shown]
ignored = -0.02
"""
)


def terms_of(
    action: Action, seconds: float | None, length: float | None, share: float = 1.0
) -> dict[str, float]:
    """Term -> worth of a single act."""
    acts = pl.DataFrame(
        {
            "line": [0],
            "action": [action],
            "seconds": [seconds],
            "share": [share],
            "length_s": [length],
        },
        schema={
            "line": pl.UInt32,
            "action": pl.String,
            "seconds": pl.Float64,
            "share": pl.Float64,
            "length_s": pl.Float64,
        },
    )
    lines = act_terms(acts, REWARDS)
    return dict(zip(lines["term"], lines["worth"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "length", "completed", "hours", "binge"),
    [
        (0.0, 3600.0, 0.0, 0.0, 0.0),
        (1800.0, 3600.0, 0.3 * 0.5, 0.4 * 0.5, 0.0),
        (3600.0, 3600.0, 0.3, 0.4, 0.0),
        (5400.0, 3600.0, 0.3, 0.4 * 1.5, 0.1 * 0.5),
        (36000.0, 3600.0, 0.3, 0.4 * 2, 0.1 * 3),
        (3600.0, None, 0.0, 0.4, 0.0),
        (None, 3600.0, 0.0, 0.0, 0.0),
    ],
)
def test_a_play(
    seconds: float | None, length: float | None, completed: float, hours: float, binge: float
) -> None:
    """Base, completed share, hours up to the most, lengths beyond the first up to the most."""
    assert terms_of("play", seconds, length) == pytest.approx(
        {"play": 0.2, "completed": completed, "hours": hours, "binge": binge}
    )


@pytest.mark.parametrize(
    ("action", "worth"),
    [
        ("abandon", -0.5),
        ("add_to_list", 0.4),
        ("remove_from_list", -0.2),
        ("thumbs_up", 0.8),
        ("thumbs_down", -0.9),
        ("trailer", 0.15),
        ("details", 0.05),
        ("search", 0.01),
    ],
)
def test_every_other_action(action: Action, worth: float) -> None:
    """Each is worth what is declared, whatever was watched; a share of it elsewhere."""
    assert terms_of(action, 5000.0, 3600.0) == pytest.approx({action: worth})
    assert terms_of(action, None, None, share=0.5) == pytest.approx({action: worth / 2})


def test_a_play_elsewhere_counts_by_its_share() -> None:
    """Every term of it."""
    whole, half = terms_of("play", 5400.0, 3600.0), terms_of("play", 5400.0, 3600.0, share=0.5)
    assert half == pytest.approx({name: worth / 2 for name, worth in whole.items()})


def test_a_line_is_worth_the_sum_of_its_terms_or_a_little_less_than_nothing() -> None:
    """Acted on: the sum, and seen for certain. Passed over: by how likely it was seen."""
    lines = pl.DataFrame(
        {"line": [0, 1, 2, 3], "examined": [1.0, 0.0, 0.25, 0.0]},
        schema_overrides={"line": pl.UInt32},
    )
    terms = pl.DataFrame(
        {"line": [0, 0, 1], "term": ["play", "hours", "details"], "worth": [0.2, 0.3, 0.05]},
        schema_overrides={"line": pl.UInt32},
    )
    valued = line_rewards(lines, terms, REWARDS)
    assert valued["reward"].to_list() == pytest.approx([0.5, 0.05, -0.02, -0.02])
    assert valued["examined"].to_list() == [1.0, 1.0, 0.25, 0.0]
    assert valued["weight"].to_list() == pytest.approx([0.5, 0.05, -0.005, 0.0])


def test_a_title_of_no_length_is_not_divided_by() -> None:
    """A length of zero in the catalog leaves no infinity behind."""
    assert all(math.isfinite(worth) for worth in terms_of("play", 100.0, 0.0).values())
