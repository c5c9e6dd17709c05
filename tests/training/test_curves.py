"""``genpage daily --curves``: a model that is not updated, and what the updated one forgets."""

import json
from importlib import util
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dataset.folder import DataFolder
from evaluation import curves
from evaluation.curve_plot import PLOT, rows_of
from evaluation.freshness import slice_document
from genpage.cli import main
from genpage.hold import LOCK, held
from model.checkpoint import Checkpoint
from training.journal import Journal
from training.updates import Updates

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


def days(service: Path, start: Path, out: Path, to: str, *flags: str) -> None:
    """Run the days up to ``to``, with curves."""
    common = ["--data", str(service), "--from", str(start), "--out", str(out), "--pages", "4"]
    main(["daily", *common, "--to", to, "--no-bundles", "--curves", *flags])


def test_both_curves_are_printed_and_plotted(
    service: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The stale model is the one that the run began with, also of a run that was stopped."""
    days(service, start, tmp_path, DAYS[3])
    days(service, start, tmp_path, "2026-01-05", "--json")
    lines = Journal(tmp_path).lines()
    stale = Updates(DataFolder(service), Checkpoint.load(start))
    assert [line["stale_days"] for line in lines] == [1, 2, 3]
    assert [line["stale"] for line in lines] == [
        slice_document(stale.judged(day)) for day in DAYS[1:]
    ]
    assert lines[0]["stale"] != lines[1]["stale"]
    capsys.readouterr()
    days(service, start, tmp_path, "2026-01-05")  # nothing to do but to tell
    told = capsys.readouterr().out
    table = told[told.index("stale for") :]
    for day, line in zip(DAYS[1:], lines, strict=True):
        (row,) = [each for each in table.splitlines() if day in each]
        told_of = [cell.strip() for cell in row.split("│")[2:5]]
        shares = [curves.hr10(line[which]) for which in ("before", "stale")]
        assert told_of == [*(f"{share:.3f}" for share in shares), str(line["stale_days"])]
    svg = (tmp_path / PLOT).read_text()
    ET.fromstring(svg)  # noqa: S314 - our own file
    for series in ("updated every day", "not updated", "updated, asked of 1 days before"):
        assert series in svg


def test_a_model_is_followed_for_two_weeks(
    service: Path, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that only the older days are judged."""
    monkeypatch.setattr(curves, "STALE_DAYS", 1)
    folder, base = DataFolder(service), Checkpoint.load(start)
    judging, fresh = curves.Curves(folder, base), Updates(folder, base)
    first, second = (judging.of(fresh, day) for day in DAYS[1:3])
    assert first["stale"] is not None
    assert (second["stale_days"], second["stale"]) == (2, None)
    assert set(json.loads(json.dumps(second))["older"]) == {"1", "7", "14"}


def test_points_are_by_the_stale_models_age() -> None:
    """A line from before there were curves, and slices of nothing, are no points."""
    one: dict[str, Any] = {"questions": 3, "nats": 1.0, "hr@10": 0.25, "ndcg@10": 0.1}
    none = {"questions": 0, "nats": None, "hr@10": None, "ndcg@10": None}
    line = {"day": DAYS[2], "before": one, "stale_days": 2, "stale": None}
    line["older"] = {"1": one, "7": none, "14": none}
    found = rows_of([{"day": DAYS[1], "before": one}, line])
    assert [(row.series, row.x, row.value) for row in found] == [
        ("updated every day", 2.0, 0.25),
        ("updated, asked of 1 days before", 2.0, 0.25),
    ]


def test_curves_without_the_library_that_draws_are_refused(
    service: Path,
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before the first day, by a sentence that says what to install."""
    found = util.find_spec

    def without(name: str, package: str | None = None) -> object:
        return None if name == "matplotlib" else found(name, package)

    monkeypatch.setattr("genpage.cli.daily.find_spec", without)
    with pytest.raises(SystemExit) as ended:
        days(service, start, tmp_path / "out", DAYS[2])
    assert ended.value.code == 2
    assert "genpage[evaluate]" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_run_of_days_has_its_folder_to_itself(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of them would write the same journal and checkpoints."""
    with held(tmp_path, "--out", "run of days"), pytest.raises(SystemExit) as ended:
        days(service, start, tmp_path, DAYS[2])
    assert ended.value.code == 2
    assert "in use by another run of days" in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
