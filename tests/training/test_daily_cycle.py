"""``genpage daily`` and ``genpage train daily``: day after day, resumable at any of them."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from daily_runs import DAYS, KilledError, cycle, stop_after, weights

from genpage.cli import main
from training.journal import Journal


def test_a_stopped_run_goes_on(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two days, then the third: the journal and the weights of three days in one run."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    cycle(service, start, whole, "2026-01-05")
    cycle(service, start, parts, DAYS[3])
    # A day that was being written when the power went: it is not in the journal.
    (parts / "checkpoints" / DAYS[3]).mkdir(parents=True)
    cycle(service, start, parts, "2026-01-05", "--curves")
    printed = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert [line["day"] for line in printed["days"]] == list(DAYS[1:])
    assert set(printed["days"][-1]["older"]) == {"1", "7", "14"}
    assert printed["days"][-1]["older"]["1"]["questions"] > 0
    ours, theirs = (weights(run / "checkpoints" / DAYS[3]) for run in (whole, parts))
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name
    for line, other in zip(Journal(whole).lines(), Journal(parts).lines(), strict=True):
        assert line["before"] == other["before"]


def test_one_day_by_the_command_is_a_day_of_the_cycle(
    service: Path, start: Path, tmp_path: Path
) -> None:
    """``train daily`` writes what the cycle's first day does; a day seen twice is refused."""
    cycle(service, start, tmp_path / "run", DAYS[2])
    common = ["train", "daily", "--data", str(service), "--pages", "4", "--day", DAYS[1]]
    out = tmp_path / "day"
    main([*common, "--from", str(start), "--out", str(out), "--json"])
    theirs = weights(tmp_path / "run" / "checkpoints" / DAYS[1])
    for name, weight in weights(out).items():
        assert torch.equal(weight, theirs[name]), name
    with pytest.raises(SystemExit) as ended:
        main([*common, "--from", str(out), "--out", str(tmp_path / "again")])
    assert ended.value.code == 2


def test_a_bad_day_stops_the_run(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day far below the days before is not journalled: nothing is announced of it."""
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path, "2026-01-05", "--least", "50")
    assert ended.value.code == 1
    assert "not announced" in capsys.readouterr().err
    assert len(Journal(tmp_path).lines()) == 1


def test_a_bundle_that_int8_costs_members_too_much_stops_the_run(
    service: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not written, and its day is not done."""
    for bound in ("LEAST_SHARED", "ENOUGH_SHARED"):
        monkeypatch.setattr(f"evaluation.rounding.{bound}", 1.1)
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path, DAYS[2], "--bundles", "--members", "2")
    assert ended.value.code == 1
    assert "int8 changes 2 members' pages" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "bundles").iterdir())
    assert not Journal(tmp_path).lines()


@pytest.mark.parametrize(
    "at",
    [
        "training.updates.Updates.checkpoint",
        "model.checkpoint.Checkpoint.save",
        "training.journal.Journal.append",
        "step",
    ],
)
def test_a_cycle_killed_anywhere_goes_on_to_the_same_weights(
    service: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """On its second day: while training, before and after it is written, before it is noted.

    Also where no older checkpoint is kept.
    """
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    cycle(service, start, whole, DAYS[3])
    cycle(service, start, killed, DAYS[2], "--keep", "1")

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        if at == "step":
            stop_after(patch, 0)
        else:
            patch.setattr(at, die)
        with pytest.raises(KilledError):
            cycle(service, start, killed, DAYS[3], "--keep", "1")
    assert len(Journal(killed).lines()) == 1
    cycle(service, start, killed, DAYS[3], "--keep", "1")
    theirs = weights(whole / "checkpoints" / DAYS[2])
    for name, weight in weights(killed / "checkpoints" / DAYS[2]).items():
        assert torch.equal(weight, theirs[name]), name


def test_days_that_are_missing_or_empty_are_gone_over(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day without a file and one without a line: nothing is asked, the next one is as usual."""
    data = tmp_path / "data"
    shutil.copytree(service, data)
    (data / "events" / f"{DAYS[1]}.parquet").unlink()
    (data / "impressions" / f"{DAYS[1]}.parquet").unlink()
    for table in ("events", "impressions"):
        file = data / table / f"{DAYS[2]}.parquet"
        pl.read_parquet(file).head(0).write_parquet(file)
    cycle(data, start, tmp_path / "run", "2026-01-05")
    lines = json.loads(capsys.readouterr().out.strip().splitlines()[-1])["days"]
    assert [line["day"] for line in lines] == list(DAYS[1:])
    assert [line["before"]["questions"] > 0 for line in lines] == [False, False, True]
    assert [line["questions"] > 0 for line in lines[:2]] == [False, False]


@pytest.mark.parametrize("command", [["daily"], ["train", "daily", "--day", DAYS[1]]])
def test_one_process_goes_through_the_days(
    command: list[str],
    service: Path,
    start: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Several, as torchrun starts them, would write over each other: refused, nothing written."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    flags = ["--data", str(service), "--from", str(start), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main([*command, *flags])
    assert ended.value.code == 2
    assert "without torchrun" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["daily", "--to", "2027-01-01"], "--to 2027-01-01: the data ends with 2026-01-04"),
        (["train", "daily", "--day", "2026-01-05"], "--day 2026-01-05: the data ends with"),
        (["train", "daily", "--day", DAYS[3]], "2 days of data from 2026-01-02 on would be left"),
        (["train", "histories", "--first", "2030-01-01", "--to", "2031-01-01"], "the data ends"),
        (["train", "histories", "--first", "2030-01-01"], "must be a day before"),
        (["daily", "--to", "20270101"], "is no day"),
    ],
)
def test_days_that_have_not_come_and_gaps_are_refused(
    command: list[str],
    said: str,
    service: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No model is held to have seen what is not there, or what it was not shown."""
    flags = ["--data", str(service), "--from", str(start), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit):
        main([*command, *flags])
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_an_unknown_precision_is_refused(service: Path, start: Path, tmp_path: Path) -> None:
    """Not taken for int8."""
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path / "out", DAYS[2], "--precision", "fp16")
    assert ended.value.code == 2
    assert not (tmp_path / "out").exists()


def test_a_gate_that_would_not_be_held_is_refused(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Members are for int8: with bundles of float32 there is nothing to try on them."""
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path, DAYS[2], "--members", "2", "--precision", "fp32")
    assert ended.value.code == 2
    assert "--members 2 is for --precision int8" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
