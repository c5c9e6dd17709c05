"""A run: to a checkpoint, through a kill to the same losses, on from a parent."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tiny import tiny_checkpoint

from dataset.folder import DataFolder
from genpage.errors import DatasetError, TrainingError, UsageError
from genpage.sources import Sources
from model.checkpoint import Checkpoint
from model.network import Network
from model.trained_on import TrainedOn
from model.twin import TorchTwin
from training.batches import Batch
from training.group import ALONE
from training.objective import Loss, Objective
from training.options import Options
from training.partial import PartialRun
from training.pretrain import Pretraining
from training.run import Run
from training.saved import Saved
from training.spread import Step
from training.start import asked_serialised, check_serialised
from training.summary import Summary
from training.trainer import Record
from training.updates import Updates

STEPS = 7


class KilledError(Exception):
    """Stands for a process that ends without warning."""


def options(service: Path, out: Path) -> Options:
    """A short run."""
    return Options(data=service, out=out, size="tiny", steps=STEPS, batch_tokens=512, save_every=2)


def trained(chosen: Options, watch: Callable[[Record], None] = lambda _: None) -> Summary:
    """Train to the end."""
    return Run(chosen, Pretraining()).train(watch)


def killed_after(chosen: Options, steps: int) -> None:
    """Train until just after a step, and die."""

    def watch(record: Record) -> None:
        if record.step == steps:
            raise KilledError

    with pytest.raises(KilledError):
        trained(chosen, watch)


def curve(checkpoint: Path) -> list[tuple[int, float, float]]:
    """Step, loss and gradient norm of each line of the metrics."""
    lines = (checkpoint / "metrics.jsonl").read_text("utf-8").splitlines()
    return [(d["step"], d["loss"], d["gradient"]) for d in map(json.loads, lines)]


@pytest.fixture(scope="module")
def finished(service: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A checkpoint trained without interruption, and what its run said."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("finished") / "checkpoint"
    return out, trained(options(service, out))


def test_a_run_ends_in_a_checkpoint(finished: tuple[Path, Summary]) -> None:
    """The checkpoint says what it was trained on, and holds its metrics and trends."""
    out, summary = finished
    checkpoint = Checkpoint.load(out)
    assert checkpoint.lineage.version == summary.version
    assert checkpoint.lineage.trained_on == TrainedOn("2026-01-01", "2026-01-03")
    assert not checkpoint.random
    assert checkpoint.trends.scores.any()
    assert [step for step, _, _ in curve(out)] == list(range(1, STEPS + 1))
    assert not out.with_name("checkpoint.partial").exists()


def test_sources_are_the_models_own(service: Path, tmp_path: Path) -> None:
    """A run without some of them ends in a checkpoint that says so, and so does one from there."""
    off = Sources.without(["in_session", "trending", "together"])
    out = tmp_path / "c"
    trained(replace(options(service, out), steps=2, sources=off))
    checkpoint = Checkpoint.load(out)
    assert checkpoint.sources == off
    gates = checkpoint.network().signals
    assert not gates(torch.ones(1, checkpoint.config.width), torch.zeros(1, dtype=torch.long)).any()
    after = replace(options(service, tmp_path / "d"), parent=out, size=None, steps=1)
    trained(after)
    assert Checkpoint.load(tmp_path / "d").sources == off
    with pytest.raises(UsageError, match="without in_session,trending,together"):
        trained(replace(after, sources=Sources()))
    with pytest.raises(UsageError, match="in_session"):
        Updates(DataFolder(service), checkpoint)


def test_short_rows_are_the_models_own(service: Path, tmp_path: Path) -> None:
    """How much of a row is in the sequence is told by the checkpoint and by those from there."""
    out = tmp_path / "c"
    trained(replace(options(service, out), steps=2, serialised=2))
    assert Checkpoint.load(out).serialised == 2
    after = replace(options(service, tmp_path / "d"), parent=out, size=None, steps=1)
    trained(after)
    checkpoint = Checkpoint.load(tmp_path / "d")
    assert checkpoint.serialised == checkpoint.prompts.serialised == 2
    for other in (3, 0):
        with pytest.raises(UsageError, match="has 2 entities of a row"):
            trained(replace(after, serialised=other))


def test_a_new_model_has_short_rows_unless_asked_otherwise() -> None:
    """Of commands: 4 of a row, 0 for all; who goes on keeps what there is."""
    assert asked_serialised(None, fresh=True) == 4
    assert asked_serialised(0, fresh=True) is None
    assert asked_serialised(8, fresh=True) == 8
    assert asked_serialised(None, fresh=False) is None
    whole = replace(tiny_checkpoint(), serialised=None)
    check_serialised(whole, asked_serialised(0, fresh=False))
    with pytest.raises(UsageError, match="has all entities of a row"):
        check_serialised(whole, asked_serialised(4, fresh=False))


def test_the_summary_is_what_happened(finished: tuple[Path, Summary]) -> None:
    """Throughput stands beside the machine's peak, losses beside a uniform guess."""
    _, summary = finished
    assert summary.steps == STEPS
    assert 0 < summary.tokens <= STEPS * 512
    assert 0.0 < summary.speed.flops_share < 1.0
    assert summary.speed.tokens_per_s > 0
    assert (summary.resumed_after, summary.speed.tokens) == (0, summary.tokens)
    assert summary.validation is not None
    assert summary.validation.day == "2026-01-04"
    assert summary.validation.pages == 24
    # Three rows, of which the second and third are predicted among two and one.
    assert summary.validation.guesses["rows"] <= np.log(3)
    assert all(np.isfinite(loss) for loss in summary.validation.losses.values())
    assert set(summary.losses) == set(summary.validation.losses) == {"rows", "entities", "titles"}


def test_it_learns(service: Path, tmp_path: Path) -> None:
    """Members watch one genre each: sixty steps are enough to expect it on a day never seen."""
    chosen = replace(options(service, tmp_path / "c"), steps=60, batch_tokens=1024)
    validation = trained(chosen).validation
    assert validation is not None
    assert validation.losses["titles"] < validation.guesses["titles"] - 0.25


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_killed_run_goes_on_to_the_same_losses(
    finished: tuple[Path, Summary], service: Path, tmp_path: Path, steps: int
) -> None:
    """Killed between two saved states, it ends with the same metrics and weights, to the bit."""
    out = tmp_path / "checkpoint"
    killed_after(options(service, out), steps)
    assert not out.exists()
    summary, whole_summary = trained(options(service, out)), finished[1]
    assert (summary.steps, summary.examples, summary.tokens) == (
        whole_summary.steps,
        whole_summary.examples,
        whole_summary.tokens,
    )
    assert summary.losses == whole_summary.losses
    # State is saved after every second step; what this part took is told apart from the whole.
    assert summary.resumed_after == steps - steps % 2
    assert (summary.speed.tokens < summary.tokens) is (steps > 1)
    assert curve(out) == curve(finished[0])
    resumed, whole = Checkpoint.load(out), Checkpoint.load(finished[0])
    for name, value in whole.weights.items():
        assert torch.equal(resumed.weights[name], value), name


def test_an_unfinished_run_with_other_settings_is_refused(service: Path, tmp_path: Path) -> None:
    """The error names what differs; --force begins anew."""
    out = tmp_path / "checkpoint"
    killed_after(options(service, out), 3)
    other = replace(options(service, out), lr=1e-4, steps=2)
    with pytest.raises(UsageError, match=r"unfinished.*budget"):
        trained(other)
    trained(replace(other, force=True))
    assert [step for step, _, _ in curve(out)] == [1, 2]


@dataclass
class Diverging(Objective):
    """Pretraining whose loss, or whose gradient alone, is no number from a step on."""

    after: int
    gradient_only: bool
    steps: int = 0

    def loss(self, network: Network, batch: Batch) -> Loss:
        """The usual one, until it is not."""
        loss = Pretraining().loss(network, batch)
        self.steps += 1
        if self.steps <= self.after:
            return loss
        if not self.gradient_only:
            return Loss(loss.total * float("nan"), loss.parts)
        # The root of nought is nought, its slope infinite.
        return Loss(
            loss.total
            + network.outputs.gate_bias.sub(network.outputs.gate_bias.detach()).sqrt().sum(),
            loss.parts,
        )


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_loss_that_is_no_number_ends_the_run(
    service: Path, tmp_path: Path, gradient_only: bool
) -> None:
    """No checkpoint; the saved state is the last good one, and the error says what to do."""
    out = tmp_path / "checkpoint"
    run = Run(options(service, out), Diverging(3, gradient_only))
    with pytest.raises(TrainingError, match=r"step 4: .* lower --lr \(it is 0\.003 here\)"):
        run.train(lambda _: None)
    assert not out.exists()
    state = PartialRun(out, {}).folder
    mark = Saved(state, ALONE).newest()
    assert mark is not None
    assert mark.step == 2
    again = Run(options(service, out), Pretraining())
    step = Step(again.network, Pretraining())
    Saved(state, ALONE).load(mark, step, torch.optim.AdamW(step.parameters()))
    assert all(value.isfinite().all() for value in again.network.state_dict().values())
    assert len((state / "metrics.jsonl").read_text("utf-8").splitlines()) == 3


def test_weights_that_blew_up_in_the_last_step_are_not_written(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The held-out day shows it, before anything is written."""
    out = tmp_path / "checkpoint"
    step = torch.optim.AdamW.step

    def blown_up(self: torch.optim.AdamW, closure: None = None) -> object:
        found = step(self, closure)
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            weight.data.mul_(1e30)
        return found

    monkeypatch.setattr(torch.optim.AdamW, "step", blown_up)
    with pytest.raises(TrainingError, match="held-out loss"):
        trained(replace(options(service, out), steps=1))
    assert not out.exists()


def other_data(service: Path, folder: Path) -> Path:
    """The same pages and as many events, one of which names another title."""
    shutil.copytree(service, folder)
    file = folder / "events" / "2026-01-02.parquet"
    first = pl.int_range(pl.len()) == 0
    changed = pl.when(first).then(pl.lit("e1")).otherwise("entity_id").alias("entity_id")
    pl.read_parquet(file).with_columns(changed).write_parquet(file)
    return folder


def test_an_unfinished_run_does_not_go_on_over_other_data(service: Path, tmp_path: Path) -> None:
    """As many pages and events, of the same days and titles, are not the same data."""
    chosen = options(service, tmp_path / "checkpoint")
    killed_after(chosen, 3)
    with pytest.raises(UsageError, match=r"unfinished run with data ="):
        trained(replace(chosen, data=other_data(service, tmp_path / "data")))


def test_an_unfinished_run_does_not_go_on_with_other_threads(service: Path, tmp_path: Path) -> None:
    """Its losses would not be the same to the bit."""
    chosen = options(service, tmp_path / "checkpoint")
    killed_after(chosen, 3)
    torch.set_num_threads(2)
    with pytest.raises(UsageError, match=r"unfinished run with threads = 1, now 2"):
        trained(chosen)


def test_epochs_take_every_page_that_often(service: Path, tmp_path: Path) -> None:
    """One epoch takes at least every page once, and not a batch more than that."""
    chosen = replace(options(service, tmp_path / "c"), steps=None, epochs=1.0, batch_tokens=2048)
    summary = trained(chosen)
    assert summary.pages == 72
    assert 72 <= summary.examples < 72 + 40


def test_training_goes_on_from_a_parent(
    finished: tuple[Path, Summary], service: Path, tmp_path: Path
) -> None:
    """A child knows its parent and its days, keeps its vocabulary and starts where it ended."""
    parent_folder, _ = finished
    parent = Checkpoint.load(parent_folder)
    chosen = replace(options(service, tmp_path / "c"), size=None, parent=parent_folder, steps=1)
    chosen = replace(chosen, to="2026-01-03")
    run = Run(chosen, Pretraining())
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, parent.weights[name]), name
    run.train(lambda _: None)
    child = Checkpoint.load(tmp_path / "c")
    assert child.lineage.parent == parent.lineage.version
    assert child.lineage.size == "tiny"
    assert child.lineage.trained_on == parent.lineage.trained_on
    assert child.vocabulary == parent.vocabulary
    prompt = np.array([1, 520, 9], np.int32)
    assert not np.array_equal(TorchTwin(child).scores(prompt), TorchTwin(parent).scores(prompt))


def test_a_run_tells_what_its_parent_was_worth(
    finished: tuple[Path, Summary], service: Path, tmp_path: Path
) -> None:
    """The parent's losses on the pages held out are those that its own run told."""
    parent, told = finished
    assert told.judged.before is None
    chosen = replace(options(service, tmp_path / "c"), size=None, parent=parent, steps=1)
    judged = trained(chosen).judged
    assert judged.before == told.validation
    assert judged.before is not None
    assert judged.after is not None
    assert judged.after.losses != judged.before.losses


def test_a_parent_of_another_size_is_refused(
    finished: tuple[Path, Summary], service: Path, tmp_path: Path
) -> None:
    """The error says how to grow it."""
    chosen = replace(options(service, tmp_path / "c"), size="small", parent=finished[0])
    with pytest.raises(UsageError, match="--grow-from"):
        Run(chosen, Pretraining())


@pytest.mark.parametrize("tokens", [127, 4097])
def test_a_history_out_of_bounds_is_refused(service: Path, tmp_path: Path, tokens: int) -> None:
    """Too short for a block of events, or so long that no page fits behind it."""
    chosen = replace(options(service, tmp_path / "c"), history_tokens=tokens)
    with pytest.raises(UsageError, match=f"--history-tokens must be .* not {tokens}"):
        Run(chosen, Pretraining())


def test_a_parents_history_is_kept(
    finished: tuple[Path, Summary], service: Path, tmp_path: Path
) -> None:
    """Another one is refused instead of being dropped; the same one may be repeated."""
    chosen = replace(options(service, tmp_path / "c"), size=None, parent=finished[0])
    with pytest.raises(UsageError, match="--history-tokens 256 differs from the 512"):
        Run(replace(chosen, history_tokens=256), Pretraining())
    assert Run(replace(chosen, history_tokens=512), Pretraining()).start.history_tokens == 512


def test_data_without_pages_is_refused(service: Path, tmp_path: Path) -> None:
    """Days without any page are a data error before anything is trained."""
    bare = tmp_path / "data"
    (bare / "impressions").mkdir(parents=True)
    for name in ("entities.parquet", "rows.parquet", "profiles.parquet", "events"):
        (bare / name).symlink_to(service / name)
    with pytest.raises(DatasetError, match="no page"):
        Run(options(bare, tmp_path / "c"), Pretraining())


def test_days_from_to_on_are_never_trained_on(service: Path, tmp_path: Path) -> None:
    """``to`` is the first day that a run does not see; the day before it is held out."""
    run = Run(replace(options(service, tmp_path / "early"), to="2026-01-03"), Pretraining())
    assert run.days[-1] == "2026-01-01"
    assert run.held_out == "2026-01-02"
    with pytest.raises(DatasetError, match="before 2020-01-01"):
        Run(replace(options(service, tmp_path / "none"), to="2020-01-01"), Pretraining())
