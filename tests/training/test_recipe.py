"""``genpage train recipe``: all stages for real, killed between each two of them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
import torch

from genpage.cli import run
from genpage.cli.recipe import WholeRecipe
from genpage.errors import UsageError
from model.checkpoint import Checkpoint
from model.trained_on import TrainedOn
from training.reward_model import RewardModel
from training.rewards.declaration import Rewards

FLAGS = (
    *("--size", "micro", "--days", "1", "--pages", "8", "--threads", "1"),
    *("--pretrain-steps", "4", "--wbc-steps", "3", "--reward-model-steps", "3", "--rl-steps", "1"),
    *("--batch-tokens", "512", "--history-tokens", "128"),
    *("--rows", "1", "--entities-per-row", "4"),
)


class KilledError(Exception):
    """The machine went away."""


def test_it_goes_on_wherever_it_was_killed(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed as each stage begins, it ends with every stage made once, each from the one before."""
    monkeypatch.setattr(RewardModel, "refuse", lambda *_: None)  # three steps tell nothing apart
    begun: list[str] = []

    def here(command: Sequence[str]) -> int:
        words = list(command[3:])
        name = next(
            word for word in ("pretrain", "wbc", "reward-model", "rl", "daily") if word in words
        )
        begun.append(name)
        if begun.count(name) == 1:
            raise KilledError
        run(words)
        return 0

    monkeypatch.setattr("genpage.cli.stage.run_command", here)
    out = tmp_path / "recipe"
    words = ["train", "recipe", "--data", str(service), "--out", str(out), *FLAGS]
    for _ in range(5):
        with pytest.raises(KilledError):
            run(words)
    run(words)
    assert begun == [
        n for n in ("pretrain", "wbc", "reward-model", "rl", "daily") for _ in range(2)
    ]
    pretrained, wbc, reward_model, policy = (
        Checkpoint.load(out / name) for name in ("pretrained", "wbc", "reward-model", "policy")
    )
    assert wbc.lineage.parent == pretrained.lineage.version
    assert {reward_model.lineage.parent, policy.lineage.parent} == {wbc.lineage.version}
    lines = [
        json.loads(line) for line in (out / "days" / "journal.jsonl").read_bytes().splitlines()
    ]
    assert [line["day"] for line in lines] == ["2026-01-04"]
    updated = Checkpoint.load(out / "days" / "checkpoints" / "2026-01-04")
    assert updated.lineage.parent == policy.lineage.version
    # What it was post-trained for is what it goes on with.
    assert {each.extra["rewards.toml"] for each in (wbc, policy, updated)} == {
        Rewards.default().text.encode()
    }
    # RL was not shown the day that came as an update.
    assert policy.lineage.trained_on == TrainedOn("2026-01-01", "2026-01-03")
    run(words)
    assert len(begun) == 10
    assert all(torch.isfinite(weights).all() for weights in updated.weights.values())


def test_a_stage_is_made_again_when_the_days_that_it_read_are_others(
    service: Path, tmp_path: Path
) -> None:
    """A day that only the updates see changes nothing before them."""
    data = shutil.copytree(service, tmp_path / "data")

    def fingerprints() -> list[str]:
        stages = WholeRecipe(data=data, out=tmp_path / "out", days=2).stages()
        return [stage.fingerprint for stage in stages]

    def changed(day: str) -> list[bool]:
        before, file = fingerprints(), data / "events" / f"{day}.parquet"
        pl.read_parquet(file).head(-1).write_parquet(file)
        return [old != new for old, new in zip(before, fingerprints(), strict=True)]

    assert changed("2026-01-04") == [False] * 4 + [True]
    assert changed("2026-01-03") == [True] * 5


def test_too_few_days_are_told(service: Path, tmp_path: Path) -> None:
    """Four days cannot give three to update with and enough to train on before them."""
    words = ["train", "recipe", "--data", str(service), "--out", str(tmp_path), "--days", "3"]
    with pytest.raises(UsageError, match="has 4 days; --days 3 leaves too few"):
        run(words)
