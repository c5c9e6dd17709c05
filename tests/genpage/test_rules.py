"""The rules file."""

from pathlib import Path

import pytest
from strategies import world

from genpage.catalog import Catalog
from genpage.errors import RulesError
from genpage.row import Row
from genpage.rules import Rules


def test_the_default_rules_keep_their_text() -> None:
    """What travels in a bundle is the file that was read, comments and all."""
    rules = Rules.default()
    assert "# no entity twice on a page" in rules.to_toml()
    assert Rules.parse(rules.to_toml()) == rules


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("schema = 2", "schema"),
        ("", "schema"),
        ("schema = 1\ncolour = 'red'", "colour"),
        ("schema = 1\nsource = 'x'", "source"),
        ("schema = 1\n[page]\nminimum_pinned = 0", "page.minimum_pinned"),
        ("schema = 1\n[page]\nunique = true", "page.unique"),
        ("schema = 1\n[eligibility]\nlive_lead_s = nan", "eligibility.live_lead_s"),
        ("schema = 1\n[devices.fridge]\nexclude_kinds = []", "devices.fridge"),
        ("schema = 1\n[devices.tv]\nexclude_kinds = ['radio']", "devices.tv.exclude_kinds"),
        ("schema = 1\n[pins]\ncontinue = 99", "pins.continue"),
        ("schema = 1\n[without_profile]\nmaturity = -1", "without_profile.maturity"),
        ("schema = 1\n[without_profile]\nprofile_type = 'baby'", "without_profile.profile_type"),
        ("schema = ", "TOML"),
    ],
)
def test_a_wrong_key_is_named(text: str, key: str) -> None:
    """Every mistake is one sentence with the key in it."""
    with pytest.raises(RulesError, match=key):
        Rules.parse(text)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """A path that is not there says so."""
    with pytest.raises(RulesError, match="cannot read"):
        Rules.load(tmp_path / "none.toml")


def test_a_pin_of_a_row_that_the_catalog_lacks_is_refused() -> None:
    """Rules are checked against the catalog they are to serve."""
    with pytest.raises(RulesError, match="nowhere"):
        Rules.parse("schema = 1\n[pins]\nnowhere = 1").check(world(0).catalog)


def test_two_rows_cannot_be_pinned_to_one_place() -> None:
    """The rules file wins over the catalog's own position; a row stands at one place."""
    catalog = Catalog.build([], [Row("a", "x", "A", pinned_position=0), Row("b", "x", "B")])
    rules = Rules.parse("schema = 1\n[pins]\nb = 0")
    assert rules.pinned(catalog) == {0: 1}
    moved = Rules.parse("schema = 1\n[pins]\na = 3")
    assert moved.pinned(catalog) == {3: 0}
