"""The rewards file: read whole, refused by the name of what is wrong."""

from pathlib import Path

import pytest

from genpage.errors import RulesError
from training.rewards.declaration import Rewards

LEAST = "schema = 1\n[play]\nbase = 1.0\n[shown]\nignored = -0.1\n"


def test_the_default_is_valid_and_says_what_the_issue_asks() -> None:
    """A finished play is worth more than a begun one, abandoning is negative, ignoring slightly."""
    rewards = Rewards.default()
    assert rewards.play.completed > 0
    assert rewards.play.binge > 0
    assert rewards.actions.abandon < rewards.shown.ignored < 0
    assert rewards.actions.thumbs_up > rewards.actions.details > 0


def test_what_is_not_given_is_worth_nothing() -> None:
    """A short file is a whole declaration, not a patch of the default."""
    rewards = Rewards.parse(LEAST)
    assert set(rewards.actions.by_action().values()) == {0.0}
    assert rewards.attribution.window_s == 0
    assert rewards.text == LEAST


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 1\n[play]\nbas = 1.0\n", r"play\.bas: unknown key"),
        ("schema = 2\n", "schema"),
        (LEAST + "[actions]\nabandon = 0.5\n", r"actions\.abandon: .*less than or equal to 0"),
        (LEAST + '[actions]\ntrailer = "much"\n', r"actions\.trailer: .*number"),
        (LEAST + "[attribution]\nwindow_s = -1.0\n", r"attribution\.window_s"),
        (LEAST + "[attribution]\nshare = 1.5\n", r"attribution\.share"),
        (LEAST + '[row]\naggregate = "median"\n', r"row\.aggregate"),
        (LEAST + 'text = "x"\n', "unknown key"),
        ("schema = 1\n[play]\nbase = nan\n", r"play\.base"),
        ("schema = 1\n[play]\nbase = 1.0\n", "nothing counts against a title"),
        ("schema = 1\n[shown]\nignored = -0.1\n", "nothing is worth anything"),
        ("schema = 1\n[play\n", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(text: str, message: str) -> None:
    """Unknown keys, wrong types, impossible signs: each is named."""
    with pytest.raises(RulesError, match=message):
        Rewards.parse(text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path stands in the message."""
    with pytest.raises(RulesError, match=r"none\.toml"):
        Rewards.load(tmp_path / "none.toml")
