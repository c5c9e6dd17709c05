"""WBC: the gradient by hand, the optimum it leads to, sampled negatives on average, and a run."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genpage.errors import CheckpointError, UsageError
from model.checkpoint import Checkpoint
from training.batches import Batch
from training.options import Options
from training.pretrain import Pretraining
from training.rewards.declaration import Rewards
from training.run import Run
from training.wbc import (
    STANDING,
    Switches,
    WeightedClassification,
    classification,
    importance,
    select,
)


def test_the_gradient_is_weight_times_chance_less_label() -> None:
    """The slope is |reward| (sigmoid(logit) - [reward > 0]), and nothing for a reward of 0."""
    logits = torch.tensor([0.3, -1.2, 2.0, 0.7], dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([1.5, -0.02, 0.4, 0.0], dtype=torch.float64)
    part = classification(logits, rewards)
    part.nats.backward()  # type: ignore[no-untyped-call]
    chances = 1 / (1 + np.exp(-logits.detach().numpy()))
    by_hand = np.abs(rewards.numpy()) * (chances - (rewards.numpy() > 0))
    assert logits.grad is not None
    assert logits.grad.numpy() == pytest.approx(by_hand)
    assert float(part.weight) == pytest.approx(1.92)


def test_the_optimum_is_the_share_of_what_was_good() -> None:
    """One title, several rewards: the logit ends where its chance is good over all weight."""
    rewards = torch.tensor([1.0, 0.5, -0.25, -0.25])
    logit = torch.zeros(1, requires_grad=True)
    for _ in range(200):
        (slope,) = torch.autograd.grad(classification(logit.expand(4), rewards).nats, logit)
        logit = (logit - 2.0 * slope).detach().requires_grad_()
    assert float(torch.sigmoid(logit.detach())) == pytest.approx(1.5 / 2.0, abs=1e-4)


def test_sampled_negatives_are_the_mean_over_all_on_average() -> None:
    """The importance weights take out how many are closed, exactly: every draw enumerated."""
    closed = torch.tensor([[False, True, False, False, True], [True, True, True, False, True]])
    values = torch.tensor([3.0, 5.0, 7.0, 11.0, 13.0])
    draws = torch.cartesian_prod(torch.arange(5), torch.arange(5))  # two draws, every pair
    for row, mean in ((0, (3.0 + 7.0 + 11.0) / 3), (1, 11.0)):
        weights = importance(draws, closed[row].expand(25, 5))
        assert float((weights * values[draws]).sum(dim=1).mean()) == pytest.approx(mean)


def test_each_token_is_judged_at_its_own_position(batch: tuple[Checkpoint, Batch]) -> None:
    """The loss against a plain loop: the hidden state before a token, times its output vector."""
    checkpoint, packed = batch
    network = checkpoint.network()
    objective = WeightedClassification(Rewards.default(), Switches(negatives=0, next_title_share=0))
    loss = objective.loss(network, packed)
    with torch.no_grad():
        hidden = network.hidden(packed.tokens, packed.packing)
        output = network.output_table()
    nats = weight = 0.0
    for targets in (packed.rows, packed.entities):
        for position, reward in zip(
            targets.positions.tolist(), targets.weights.tolist(), strict=True
        ):
            token = int(packed.tokens[position + 1])  # what stood there is what is judged
            logit = float(hidden[position] @ output[token])
            label = 1.0 if reward > 0 else -1.0
            nats += abs(reward) * float(np.log1p(np.exp(-label * logit)))
            weight += abs(reward)
    assert float(loss.total.detach()) == pytest.approx(nats / weight, rel=1e-4)
    assert weight > 1


def test_negatives_pull_down_what_could_have_been_shown(batch: tuple[Checkpoint, Batch]) -> None:
    """They add to the loss, by their weight; the reported parts stay the impressed ones."""
    checkpoint, packed = batch
    network = checkpoint.network()
    with torch.no_grad():
        without, light, heavy = (
            WeightedClassification(Rewards.default(), switches).loss(network, packed)
            for switches in (Switches(0), Switches(8, 0.01), Switches(8, 0.02))
        )
    assert float(light.total) > float(without.total)
    added = [float(loss.total - without.total) for loss in (light, heavy)]
    assert added[1] == pytest.approx(2 * added[0], rel=1e-3)
    assert float(light.parts["entities"].mean) == float(without.parts["entities"].mean)


def test_selected_targets_keep_what_their_page_had_used(batch: tuple[Checkpoint, Batch]) -> None:
    """Closed candidates of the kept targets are what they were."""
    _, packed = batch
    targets = packed.entities
    kept = torch.arange(len(targets.positions)) % 3 == 0
    closed = packed.candidates.closed_entities(targets)[kept]
    assert torch.equal(packed.candidates.closed_entities(select(targets, kept)), closed)


def test_a_run_learns_what_is_worth_showing(service: Path, tmp_path: Path) -> None:
    """From a pretrained checkpoint, on days never seen: AUC well above chance, calibrated."""
    pre = Options(data=service, out=tmp_path / "pre", size="micro", steps=20, batch_tokens=1024)
    Run(pre, Pretraining()).train(lambda _: None)
    wbc = Options(
        data=service,
        out=tmp_path / "wbc",
        parent=tmp_path / "pre",
        steps=40,
        batch_tokens=1024,
        lr=4e-3,
    )
    objective = WeightedClassification(Rewards.default(), Switches(negatives=4))
    summary = Run(wbc, objective).train(lambda _: None)
    assert summary.validation is not None
    figures = summary.validation.figures
    assert figures["entities AUC"] > 0.75
    assert figures["rows AUC"] > 0.75
    assert figures["entities calibration error"] < 0.2
    loaded = Checkpoint.load(tmp_path / "wbc")
    assert Rewards.parse(loaded.extra["rewards.toml"].decode()) == Rewards.default()


def test_an_unfinished_run_for_other_rewards_is_refused(service: Path, tmp_path: Path) -> None:
    """Its loss curve would be another."""

    class StoppedError(Exception):
        pass

    def stop(_: object) -> None:
        raise StoppedError

    options = Options(data=service, out=tmp_path / "w", size="micro", steps=5, save_every=1)
    with pytest.raises(StoppedError):
        Run(options, WeightedClassification(Rewards.default())).train(stop)
    other = Rewards.parse(Rewards.default().text.replace("abandon = -0.5", "abandon = -0.9"))
    with pytest.raises(UsageError, match="rewards"):
        Run(options, WeightedClassification(other)).train(stop)


def test_beside_a_settled_appeal_titles_logits_are_restrained(
    batch: tuple[Checkpoint, Batch],
) -> None:
    """The squared logit of titles drawn for each place costs; every one drawn: the plain mean."""
    checkpoint, packed = batch
    network = checkpoint.network()
    totals = []
    for restraint in (0.0, 0.5):
        switches = Switches(next_title_share=0, restraint=restraint, drawn=4000)
        objective = WeightedClassification(Rewards.default(), switches)
        objective._settled = True
        with torch.no_grad():
            totals.append(float(objective.loss(network, packed).total))
    with torch.no_grad():
        hidden = network.hidden(packed.tokens, packed.packing)
        output = network.output_table()[packed.candidates.entities]
        every = hidden[packed.entities.positions] @ output.T
    assert totals[1] - totals[0] == pytest.approx(0.5 * float(every.square().mean()), rel=0.03)
    unsettled = WeightedClassification(
        Rewards.default(), Switches(next_title_share=0, restraint=0.5)
    )
    plain = WeightedClassification(Rewards.default(), Switches(next_title_share=0, restraint=0.0))
    with torch.no_grad():
        assert torch.equal(unsettled.loss(network, packed).total, plain.loss(network, packed).total)


def test_what_a_run_left_is_gone_on_with() -> None:
    """Switches and whether the appeal is settled come back from a checkpoint's files."""
    switches = Switches(3, 0.5, appraisal=None, restraint=0.1)
    for settled in (False, True):
        before = WeightedClassification(Rewards.default(), switches, settled=settled)
        after = WeightedClassification.continued(before.files())
        assert after.switches == switches
        assert after.rewards == before.rewards
        assert after.files() == before.files()
    older = {"rewards.toml": before.files()["rewards.toml"]}
    continued = WeightedClassification.continued(older)
    assert b'"settled": true' in continued.files()[STANDING]
    assert continued.switches.restraint == 0  # as it was trained
    with pytest.raises(CheckpointError, match="another version"):
        WeightedClassification.continued(older | {STANDING: b'{"settled": true, "odd": 1}'})
