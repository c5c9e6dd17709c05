"""Two processes train as one would; a run goes on with another number of them."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import nn

from genpage.cli import run
from genpage.errors import DatasetError, UsageError
from model.checkpoint import Checkpoint
from model.trunk import RMSNorm, SwiGLU
from training.group import ALONE, Group
from training.options import Options
from training.pretrain import Pretraining
from training.reward_model import HEADS, RewardModel
from training.rewards.declaration import Rewards
from training.run import Run
from training.trainer import Record

# Processes that import torch on a busy machine take their time.
pytestmark = pytest.mark.timeout(900)

STEPS = 6
# Sums in another order: float32 rounds at 6e-8, and six steps of AdamW carry it on.
TOLERANCE = 2e-5

# What each of two processes runs: DDP to its end, FSDP2 until so many steps are taken, and then it
# ends without warning; the reward model, whose head stands beside the network, by FSDP2 too.
_PROCESS = """
import os, sys, warnings
warnings.simplefilter("error")
from pathlib import Path
import torch
from training.group import joined
from training.pretrain import Pretraining
from training.reward_model import RewardModel
from training.rewards.declaration import Rewards
from training.options import Options
from training.run import Run
RewardModel.refuse = lambda *_: None  # six steps tell nothing apart
torch.set_num_threads(1)
torch.cpu.get_capabilities = dict  # no bfloat16, as in this process

def watch(record):
    if record.step == int(sys.argv[3]):
        os._exit(7)

with joined() as group:
    for kind, recompute in (("ddp", False), ("fsdp", True), ("reward", True)):
        options = Options(
            data=Path(sys.argv[1]), out=Path(sys.argv[2]) / kind, size="micro", steps=6,
            batch_tokens=1024, save_every=2, shards=2,
            spread="ddp" if kind == "ddp" else "fsdp", recompute=recompute,
        )
        objective = RewardModel(Rewards.default()) if kind == "reward" else Pretraining()
        Run(options, objective, group).train(watch if kind == "fsdp" else lambda _: None)
"""


def options(service: Path, out: Path) -> Options:
    """The same run, of one process."""
    return Options(
        data=service, out=out, size="micro", steps=STEPS, batch_tokens=1024, save_every=2, shards=2
    )


def processes(service: Path, out: Path, *, until: int = 99) -> list[int]:
    """Run two processes as torchrun would; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-c", _PROCESS, str(service), str(out), str(until)]
    running = []
    for rank in range(2):
        named = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
        environment = os.environ | {name: str(value) for name, value in named.items()}
        environment |= {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        running.append(subprocess.Popen(words, env=environment))  # noqa: S603 - our own words
    try:
        return [process.wait(timeout=600) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


def curve(checkpoint: Path) -> list[Record]:
    """The metrics of a run."""
    lines = (checkpoint / "metrics.jsonl").read_text("utf-8").splitlines()
    return [Record(**json.loads(line)) for line in lines]


def assert_same_curve(found: Path, expected: Path) -> None:
    """Losses, gradients and what was taken, step by step."""
    pairs = list(zip(curve(found), curve(expected), strict=True))
    assert len(pairs) == STEPS
    for mine, theirs in pairs:
        assert (mine.step, mine.examples, mine.tokens) == (
            theirs.step,
            theirs.examples,
            theirs.tokens,
        )
        assert mine.flops == pytest.approx(theirs.flops)
        assert mine.loss == pytest.approx(theirs.loss, rel=TOLERANCE)
        assert mine.gradient == pytest.approx(theirs.gradient, rel=100 * TOLERANCE)
        assert mine.parts == pytest.approx(theirs.parts, rel=TOLERANCE)


@pytest.fixture(scope="module")
def alone(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of one process that holds both shards."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("alone") / "c"
    Run(options(service, out), Pretraining()).train(lambda _: None)
    return out


@pytest.fixture(scope="module")
def together(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two processes' checkpoints, ``ddp`` and ``fsdp``."""
    out = tmp_path_factory.mktemp("together")
    assert processes(service, out) == [0, 0]
    return out


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_have_the_losses_of_one(kind: str, alone: Path, together: Path) -> None:
    """Copied or cut (and then recomputing), to a relative 2e-5."""
    assert_same_curve(together / kind, alone)
    mine, theirs = Checkpoint.load(together / kind), Checkpoint.load(alone)
    # A gradient of all but nothing AdamW makes a step of its noise; so on the whole.
    apart = [(mine.weights[name] - value).abs().flatten() for name, value in theirs.weights.items()]
    assert float(torch.cat(apart).mean()) < 1e-5
    assert not (together / f"{kind}.partial").exists()


def test_two_processes_train_the_reward_model_of_one(
    service: Path, together: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its head is cut with the network, and is whole again in the checkpoint."""
    monkeypatch.setattr(RewardModel, "refuse", lambda *_: None)
    out = tmp_path / "alone"
    Run(options(service, out), RewardModel(Rewards.default())).train(lambda _: None)
    assert_same_curve(together / "reward", out)
    mine, theirs = (load(Checkpoint.load(c).extra[HEADS]) for c in (together / "reward", out))
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        assert value.any()
        assert (mine[name] - value).abs().mean() < 1e-5


def test_a_killed_run_goes_on_with_another_number_of_processes(
    service: Path, tmp_path: Path, alone: Path
) -> None:
    """What one process saved, two go on from; what two cut between them, one puts together."""

    def killed(record: Record) -> None:
        if record.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(options(service, tmp_path / "ddp"), Pretraining()).train(killed)
    assert processes(service, tmp_path, until=3) == [7, 7]
    assert_same_curve(tmp_path / "ddp", alone)

    state = json.loads((tmp_path / "fsdp.partial" / "state.json").read_text())
    assert state["step"] == 2
    assert len(state["taken"]) == 2
    chosen = replace(options(service, tmp_path / "fsdp"), shards=None)
    summary = Run(chosen, Pretraining()).train(lambda _: None)
    assert summary.resumed_after == 2
    assert_same_curve(tmp_path / "fsdp", alone)


def test_shards_are_shared_out_evenly(service: Path, tmp_path: Path) -> None:
    """Three shards are nothing for two processes, nor a thousand for a hundred pages."""
    chosen = replace(options(service, tmp_path / "c"), shards=3)
    with pytest.raises(UsageError, match=r"3 shards .* among 2 processes"):
        Run(chosen, Pretraining(), Group(0, 2))
    with pytest.raises(DatasetError, match=r"too few for 1000 shards"):
        Run(replace(chosen, shards=1000), Pretraining())


def test_recomputed_activations_change_nothing(service: Path, tmp_path: Path, alone: Path) -> None:
    """The same curve, to the bit."""
    chosen = replace(options(service, tmp_path / "c"), recompute=True)
    Run(chosen, Pretraining()).train(lambda _: None)
    pairs = zip(curve(tmp_path / "c"), curve(alone), strict=True)
    assert all((mine.loss, mine.gradient) == (own.loss, own.gradient) for mine, own in pairs)


def test_what_works_on_each_token_alone_is_compiled(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms and SwiGLU, for any number of tokens; attention's shapes differ from batch to batch."""
    compiled: list[tuple[type, object]] = []

    def note(self: nn.Module, **settings: object) -> None:
        compiled.append((type(self), settings["dynamic"]))

    monkeypatch.setattr(nn.Module, "compile", note)
    chosen = replace(options(service, tmp_path / "c"), compiled=True, steps=1)
    Run(chosen, Pretraining()).train(lambda _: None)
    layers = 2
    assert compiled.count((SwiGLU, True)) == layers
    assert compiled.count((RMSNorm, True)) == len(compiled) - layers == 2 * layers + 1


def test_a_group_of_one_adds_nothing() -> None:
    """Sums are the values, the leader's result its own."""
    assert ALONE.sums([1.0, 2.0]) == [1.0, 2.0]
    assert ALONE.of_leader(lambda: 3) == 3
    assert Group(1, 2).mine(4) == (1, 3)


@pytest.mark.parametrize(
    "command",
    [
        ["rl", "--from", "wbc", "--reward-model", "reward-model"],
        ["recipe"],
        ["histories"],
    ],
    ids=["rl", "recipe", "histories"],
)
def test_what_one_process_trains_refuses_several(
    command: list[str], service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read: one sentence, and nothing written."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"one process; start it without torchrun"):
        run(["train", *command, "--data", str(service), "--out", str(out)])
    assert list(tmp_path.iterdir()) == []
