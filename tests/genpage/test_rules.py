"""The rules file."""

from pathlib import Path

import pytest
from strategies import world

from genpage.catalog import Catalog
from genpage.cli import main
from genpage.entity import Entity
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
        ("schema = 1\n[eligibility]\nmaturity = 'no'", "eligibility.maturity.*valid boolean"),
        ("schema = 1\n[eligibility]\nmaturity = 0", "eligibility.maturity.*valid boolean"),
        ("schema = 1\n[page]\nminimum_pinned = '2'", "page.minimum_pinned.*valid integer"),
        ("schema = 1\n[page]\nminimum_pinned = true", "page.minimum_pinned.*valid integer"),
        ("schema = 1\n[eligibility]\nlive_lead_s = '9'", "eligibility.live_lead_s.*valid number"),
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


def test_all_wrong_keys_are_named_at_once() -> None:
    """Mending one by one takes as many runs."""
    text = "schema = 1\n[page]\nunique = true\nminimum_pinned = 0\n[eligibility]\nmaturity = 'no'"
    with pytest.raises(RulesError) as error:
        Rules.parse(text)
    for words in ("page.unique: unknown key", "page.minimum_pinned: ", "eligibility.maturity: "):
        assert words in str(error.value)


CATALOG = Catalog.build(
    [Entity("e", "film", "E", genres=("Sci-Fi", "Anime"))], [Row("a", "decade", "A")]
)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[profiles.kid]\nexclude_genres = ['Horor']", "'Horor'; is 'Horror' meant"),
        ("[devices.tv]\nexclude_genres = ['Sci-Fi', 'anime']", "tv.exclude_genres.1: .*'Anime'"),
        ("[profiles.teen]\nexclude_genres = ['Xyz']", "no title has the genre 'Xyz'$"),
        ("[row_kinds.decades]\nper_page = 1", "row_kinds.decades: .* is 'decade' meant"),
        ("[row_kinds.becuase]\nper_page = 1", "is 'because' meant"),
    ],
)
def test_a_name_that_the_catalog_has_nowhere_is_refused(table: str, message: str) -> None:
    """A misspelt exclusion would exclude nothing, and nobody would know."""
    with pytest.raises(RulesError, match=message):
        Rules.parse(f"schema = 1\n{table}").check(CATALOG)


def test_names_of_the_catalog_and_of_the_default_rules_pass() -> None:
    """The default rules are made for every catalog, and so are files copied from them."""
    Rules.default().check(CATALOG)
    Rules.default().check(Catalog.build([], []))
    text = "schema = 1\n[profiles.kid]\nexclude_genres = ['Horror', 'Anime']\n"
    Rules.parse(text + "[row_kinds]\ndecade.per_page = 2\ntrending.per_page = 1").check(CATALOG)


def test_the_check_prints_a_row_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the file has them, and no value of Python's."""
    monkeypatch.setenv("COLUMNS", "120")
    file = tmp_path / "r.toml"
    file.write_text(Rules.default().to_toml(), "utf-8")
    main(["rules", "check", str(file)])
    printed = capsys.readouterr().out
    lines = [line.strip("│┃ ").split("│") for line in printed.splitlines()]
    rows = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    assert rows["page.unique_entities"] == "true"
    assert rows["profiles.kid.exclude_genres"] == "Horror, Crime, War, Thriller"
    assert rows["row_kinds.because.per_page"] == "1"
    assert "PageRules" not in printed
    assert "None" not in printed
