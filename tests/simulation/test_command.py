"""``genpage simulate``."""

from pathlib import Path

import orjson
import pytest

from dataset.validation import validate
from genpage.cli import main


def run(out: Path, *flags: str) -> None:
    """Simulate a tiny service."""
    small = ("--members", "20", "--entities", "120", "--days", "2")
    main(["simulate", "--out", str(out), *small, *flags])


def test_it_writes_valid_data_and_says_how_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is valid, and the JSON line counts what it holds."""
    run(tmp_path / "data", "--json", "--seed", "5")
    document = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    report = validate(tmp_path / "data")
    assert report.ok
    assert document["members"] == report.lines["profiles"] == 20
    assert document["entities"] == report.lines["entities"] == 120
    assert document["impressions"] == report.lines["impressions"]
    assert document["events"] == report.lines["events"]
    assert document["seed"] == 5


def test_an_existing_out_is_refused_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line; with ``--force`` it is replaced."""
    run(tmp_path / "data")
    before = (tmp_path / "data" / "truth" / "truth.npz").read_bytes()
    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "data", "--seed", "1")
    assert stop.value.code == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "data" / "truth" / "truth.npz").read_bytes() == before
    run(tmp_path / "data", "--seed", "1", "--force")
    assert (tmp_path / "data" / "truth" / "truth.npz").read_bytes() != before


@pytest.mark.parametrize("flags", [("--members", "0"), ("--days", "x"), ("--seed", "-1")])
def test_a_size_that_makes_no_sense_is_a_usage_error(
    tmp_path: Path, flags: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the flag is named, nothing is written."""
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "--out", str(tmp_path / "data"), *flags])
    assert stop.value.code == 2
    assert flags[0] in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
