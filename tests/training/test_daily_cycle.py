"""``genpage daily`` and ``genpage train daily``: day after day, resumable at any of them."""

import json
from pathlib import Path

import pytest
import torch

from genpage.cli import main
from genpage.errors import UsageError
from model.checkpoint import Checkpoint
from training.journal import Journal

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


@pytest.fixture(scope="module")
def start(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A micro model after the first day, by the command."""
    out = tmp_path_factory.mktemp("start") / "checkpoint"
    flags = ["--size", "micro", "--to", DAYS[1], "--history-tokens", "128", "--passes", "1"]
    main(["train", "histories", "--data", str(service), "--out", str(out), *flags, "--json"])
    return out


def cycle(service: Path, start: Path, out: Path, to: str, *flags: str) -> None:
    """Run the days up to ``to``."""
    common = ["--data", str(service), "--from", str(start), "--out", str(out), "--pages", "4"]
    main(["daily", *common, "--to", to, "--no-bundles", "--json", *flags])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """A checkpoint's."""
    return dict(Checkpoint.load(folder).weights)


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


class KilledError(BaseException):
    """Stands for a process that ends without warning."""


@pytest.mark.parametrize("at", [1, 3])
def test_a_killed_pass_over_histories_goes_on_to_the_same_weights(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Killed after a batch; nothing stands under its name, and the second start ends the same."""
    monkeypatch.setattr("training.updates.SAVE_EVERY", 2)
    flags = ["--size", "micro", "--to", DAYS[2], "--history-tokens", "128", "--questions", "16"]
    common = ["train", "histories", "--data", str(service), *flags, "--passes", "2", "--json"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    main([*common, "--out", str(whole)])
    with monkeypatch.context() as patch:
        stop_after(patch, at)
        with pytest.raises(KilledError):
            main([*common, "--out", str(killed)])
    assert not killed.exists()
    assert (killed.with_name("killed.partial") / "state.pt").exists() is (at > 1)
    main([*common, "--out", str(killed)])
    theirs = weights(whole)
    for name, weight in weights(killed).items():
        assert torch.equal(weight, theirs[name]), name
    assert not killed.with_name("killed.partial").exists()


def stop_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Have the optimiser's step ``steps + 1`` be the process's end."""
    left = [steps]
    step = torch.optim.AdamW.step

    def last_one(self: torch.optim.AdamW, closure: None = None) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return step(self, closure)

    patch.setattr(torch.optim.AdamW, "step", last_one)


def test_an_unfinished_pass_with_other_flags_is_refused(
    service: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error names what differs."""
    common = ["train", "histories", "--data", str(service), "--size", "micro", "--to", DAYS[2]]
    with monkeypatch.context() as patch:
        stop_after(patch, 0)
        with pytest.raises(KilledError):
            main([*common, "--out", str(tmp_path / "c")])
    with pytest.raises(SystemExit):
        main([*common, "--out", str(tmp_path / "c"), "--lr", "1e-4"])
    assert "unfinished run with cadence" in capsys.readouterr().err
