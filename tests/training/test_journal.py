"""The journal of a run of days: whole lines, and no other run's or data's days behind them."""

import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from daily_runs import DAYS, cycle

from genpage.errors import UsageError
from training.journal import Journal


def test_a_journal_cut_off_by_a_crash(tmp_path: Path) -> None:
    """Half a last line counts for nothing; a broken one in the middle is refused."""
    journal = Journal(tmp_path)
    journal.append({"day": DAYS[0]})
    journal.append({"day": DAYS[1]})
    with journal.path.open("ab") as file:
        file.write(b'{"day": "20')
    assert [line["day"] for line in journal.lines()] == list(DAYS[:2])
    journal.append({"day": DAYS[2]})
    assert [line["day"] for line in journal.lines()] == list(DAYS[:3])
    journal.path.write_bytes(b"nonsense\n" + journal.path.read_bytes())
    with pytest.raises(UsageError, match="unreadable"):
        journal.lines()


def test_other_flags_do_not_go_on_unheard(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What decides the days is asked for again as it was; before the first day anything goes."""
    cycle(service, start, tmp_path, DAYS[1])  # no day yet
    cycle(service, start, tmp_path, DAYS[2], "--seed", "1")
    with pytest.raises(SystemExit) as ended:
        cycle(service, start, tmp_path, DAYS[3])
    assert ended.value.code == 2
    assert "with --seed = 1, now 0" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit):
        cycle(service, tmp_path / "checkpoints" / DAYS[1], tmp_path, DAYS[3], "--seed", "1")
    assert "with --from = " in " ".join(capsys.readouterr().err.split())
    assert len(Journal(tmp_path).lines()) == 1
    cycle(service, start, tmp_path, DAYS[3], "--seed", "1", "--least", "0")
    assert len(Journal(tmp_path).lines()) == 2


def test_other_data_does_not_go_on_unheard(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day that was learnt and is another now is named; who says that it may be, goes on."""
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(service, data)
    cycle(data, start, run, DAYS[3])
    before = Journal(run).lines()
    file = data / "events" / f"{DAYS[1]}.parquet"
    events = pl.read_parquet(file)
    events.filter(pl.col("user_id") != events["user_id"][0]).write_parquet(file)
    with pytest.raises(SystemExit) as ended:
        cycle(data, start, run, "2026-01-05")
    assert ended.value.code == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"learnt {DAYS[1]} from other data than --data holds now, 1 of its newest 2" in told
    assert "--changed-data goes on" in told
    assert Journal(run).lines() == before
    cycle(data, start, run, "2026-01-05", "--changed-data", "--least", "0")
    assert [line["day"] for line in Journal(run).lines()] == list(DAYS[1:])
    # It is noted: what was said once need not be said every day.
    cycle(data, start, run, "2026-01-05")


def test_a_day_that_comes_later_is_no_other_data(
    service: Path, start: Path, tmp_path: Path
) -> None:
    """A service's data grows: the run goes on with the day that its folder did not have."""
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(service, data)
    for table in ("events", "impressions"):
        (data / table / f"{DAYS[3]}.parquet").unlink()
    cycle(data, start, run, DAYS[3])
    for table in ("events", "impressions"):
        shutil.copy(service / table / f"{DAYS[3]}.parquet", data / table)
    cycle(data, start, run, "2026-01-05", "--least", "0")
    assert [line["day"] for line in Journal(run).lines()] == list(DAYS[1:])


def test_days_by_another_number_of_threads_are_told(
    service: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They go on, for no day is half done; that the run is not the same to the bit is said."""
    threads = torch.get_num_threads()
    try:
        cycle(service, start, tmp_path, DAYS[2], "--threads", "1")
        assert Journal(tmp_path).lines()[0]["threads"] == 1
        cycle(service, start, tmp_path, DAYS[2], "--threads", "1")
        assert "threads" not in capsys.readouterr().err
        cycle(service, start, tmp_path, DAYS[2], "--threads", "2")
        told = " ".join(capsys.readouterr().err.split())
        assert "were trained by 1 threads, now by 2" in told
        assert "--threads 1 keeps it the same" in told
    finally:
        torch.set_num_threads(threads)
