"""``genpage train histories``: passes that go on where they were killed, and short rows."""

from pathlib import Path

import pytest
import torch
from daily_runs import DAYS, KilledError, stop_after, weights

from genpage.cli import main
from model.checkpoint import Checkpoint


@pytest.mark.parametrize("at", [1, 3])
def test_a_killed_pass_over_histories_goes_on_to_the_same_weights(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Killed after a batch; nothing stands under its name, and the second start ends the same."""
    monkeypatch.setattr("training.course.SAVE_EVERY", 2)
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


@pytest.mark.parametrize(("flags", "expected"), [([], 4), (["--serialised", "0"], None)])
def test_a_new_model_of_histories_has_short_rows_too(
    service: Path, tmp_path: Path, flags: list[str], expected: int | None
) -> None:
    """As of every other command; one that goes on keeps them, and is refused others."""
    common = ["train", "histories", "--data", str(service), "--to", DAYS[2], "--json"]
    fresh = [*common, "--size", "micro", "--history-tokens", "128", "--first", DAYS[1]]
    main([*fresh, *flags, "--out", str(tmp_path / "a")])
    assert Checkpoint.load(tmp_path / "a").serialised == expected
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *common,
                "--serialised",
                "7",
                "--from",
                str(tmp_path / "a"),
                "--out",
                str(tmp_path / "b"),
            ]
        )
    assert ended.value.code == 2


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
