"""Whoever trains a post-trained model further: its rewards, switches and settled appeal stay."""

import json
from pathlib import Path

import pytest
import torch

from genpage.cli import main
from model.checkpoint import Checkpoint
from training.pretrain import Pretraining
from training.wbc import STANDING

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


@pytest.fixture(scope="module")
def valued(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A micro model of the first day after a few steps of WBC, its titles' appeal learnt first."""
    start, out = (tmp_path_factory.mktemp("valued") / name for name in ("start", "valued"))
    data = ["--data", str(service), "--json"]
    small = ["--size", "micro", "--to", DAYS[1], "--history-tokens", "128"]
    main(["train", "histories", *data, "--out", str(start), *small])
    flags = ["--steps", "2", "--batch-tokens", "512", "--to", DAYS[2], "--restraint", "0.25"]
    main(["train", "wbc", *data, "--from", str(start), "--out", str(out), *flags])
    return out


def refuse_pretraining(patch: pytest.MonkeyPatch) -> None:
    """A page that is trained on for its next tokens fails the test."""

    def loss(*_: object) -> None:
        raise AssertionError("a post-trained model is pretrained again")

    patch.setattr(Pretraining, "loss", loss)


def test_histories_and_days_go_on_with_what_was_post_trained(
    service: Path, valued: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WBC, histories, a day: the rewards, the switches and the settled appeal go all the way."""
    refuse_pretraining(monkeypatch)
    fresh, run = tmp_path / "fresh", tmp_path / "run"
    flags = ["--first", DAYS[0], "--to", DAYS[2], "--pages", "8", "--json"]
    common = ["--data", str(service), "--from", str(valued)]
    main(["train", "histories", *common, "--out", str(fresh), *flags])
    days = ["--pages", "4", "--to", DAYS[3], "--no-bundles", "--json"]
    main(["daily", "--data", str(service), "--from", str(fresh), "--out", str(run), *days])
    before = Checkpoint.load(valued)
    assert json.loads(before.extra[STANDING])["settled"]
    assert json.loads(before.extra[STANDING])["switches"]["restraint"] == 0.25
    settled = [n for n in before.weights if n.startswith("appeal.") and n != "appeal.promise"]
    assert len(settled) > 5
    for path in (fresh, run / "checkpoints" / DAYS[2]):
        after = Checkpoint.load(path)
        for name in ("rewards.toml", STANDING):
            assert after.extra[name] == before.extra[name]
        for name in settled:
            assert torch.equal(after.weights[name], before.weights[name]), name
        assert not torch.equal(after.weights["appeal.promise"], before.weights["appeal.promise"])


@pytest.mark.parametrize(
    "command", [["next-item", "--daily", "--no-multistage", "--from", DAYS[2]], ["freshness"]]
)
def test_evaluation_goes_on_with_what_was_post_trained(
    command: list[str], service: Path, valued: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is judged day by day is what the daily updates would serve."""
    refuse_pretraining(monkeypatch)
    main(["evaluate", *command, "--data", str(service), "--checkpoint", str(valued), "--json"])
