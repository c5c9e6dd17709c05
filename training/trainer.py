"""The training loop: batch, loss, step, record; the same for every objective."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import torch

from model.network import Network
from training.batches import Advance, BatchStream
from training.divergence import check_finite
from training.machine import training_dtype, training_flops
from training.objective import Objective
from training.partial import PartialRun
from training.saved import Mark, Saved
from training.schedule import Budget, learning_rate
from training.spread import Spread, SpreadStep, Step, clip, whole

WEIGHT_DECAY = 0.1
BETAS = (0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: the budget, AdamW's peak learning rate, the gradient's largest norm."""

    budget: Budget
    lr: float
    clip: float = 1.0
    save_every: int = 50


@dataclass(frozen=True, slots=True)
class Record:
    """One step of all processes together, as a line of the metrics; times are seconds.

    Losses are nats a target; of a reward model, squared rewards.
    """

    step: int
    progress: float
    loss: float
    parts: dict[str, float]
    lr: float
    gradient: float
    examples: int
    tokens: int
    flops: float
    seconds: float


class Trainer:
    """Trains a network in place. One run; `steps` yields a record after each step.

    Where there are several processes, each has one, and all go through the same steps.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        stream: BatchStream,
        plan: Plan,
        partial: PartialRun,
        spread: Spread | None = None,
        shards: int = 1,
    ) -> None:
        spread = spread or Spread()
        self._network = network.train()
        self._objective = objective
        self._stream = stream
        self._plan = plan
        self._partial = partial
        self._group = spread.group
        self._shards = shards
        self._step = Step(network, objective)
        self._spread = SpreadStep(self._step, spread)
        matrices = [p for _, p in network.trunk.named_parameters() if p.dim() > 1]
        decayed = {id(p) for p in matrices}
        others = [p for p in self._step.parameters() if id(p) not in decayed]
        # What is not cut cannot be in one group with what is (`training.spread`).
        heads = {id(p) for p in objective.heads.parameters()}
        copied = [p for p in others if p.dim() == 0 or id(p) in heads]
        apart = {id(p) for p in copied}
        groups: list[dict[str, Any]] = [  # torch's own signature
            {"params": matrices, "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in others if id(p) not in apart], "weight_decay": 0.0},
            {"params": copied, "weight_decay": 0.0},
        ]
        self._parameters = [*matrices, *others]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.lr, betas=BETAS)

    def steps(self, *, force: bool) -> Iterator[Record]:
        """Train until the budget is used up, from where an unfinished run stopped.

        ``force`` discards an unfinished run with other settings.
        """
        saved = Saved(self._partial.folder, self._group)
        mark = self._group.of_leader(lambda: self._claimed(saved, force=force))
        if mark.step:
            saved.load(mark, self._step, self._optimiser)
        step, taken = mark.step, mark.taken
        budget = self._plan.budget
        with ExitStack() as files:
            metrics = (
                files.enter_context(self._partial.metrics.open("ab")) if self._group.leads else None
            )
            while budget.progress(step, sum(taken)) < 1.0:
                start = time.perf_counter()
                mine = self._group.mine(self._shards)
                advance = self._stream.after(taken, mine)
                record, taken = self._stepped(advance, step + 1, taken, start)
                step = record.step
                size = 0
                if metrics is not None:
                    metrics.write(json.dumps(asdict(record)).encode() + b"\n")
                    metrics.flush()
                    size = metrics.tell()
                if step % self._plan.save_every == 0:
                    saved.save(Mark(step, taken, size), self._step, self._optimiser)
                yield record

    def weights(self) -> dict[str, torch.Tensor]:
        """The network's, put together on the CPU; every process calls it."""
        held = self._network.state_dict()
        return {name: whole(value.detach()).cpu() for name, value in held.items()}

    def _claimed(self, saved: Saved, *, force: bool) -> Mark:
        self._partial.claim(force=force)
        mark = saved.newest() or Mark(0, (0,) * self._shards, 0)
        self._partial.cut_metrics(mark.metrics_size)
        return mark

    def _stepped(
        self, advance: Advance, step: int, before: tuple[int, ...], start: float
    ) -> tuple[Record, tuple[int, ...]]:
        """One step; its record, and how many examples were taken of each shard after it."""
        batch = advance.batch
        after = [now - then for now, then in zip(advance.taken, before, strict=True)]
        after = [round(count) for count in self._group.sums(after)]
        taken = tuple(then + count for then, count in zip(before, after, strict=True))
        progress = self._plan.budget.progress(step, sum(taken))
        lr = learning_rate(self._plan.lr, progress)
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        device = batch.tokens.device
        mixed = training_dtype(device) == torch.bfloat16
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = self._spread.loss(batch)
        logits = self._objective.logits(batch)
        flops = training_flops(self._network.config, batch.packing, logits)
        parts = torch.stack([*loss.parts.values()]).double().flatten().tolist()
        sums = self._group.sums(
            [float(loss.total.detach()), batch.packing.tokens, flops, *map(float, parts)]
        )
        # Of all processes: where one loss is no number, all of them stop.
        total = sums[0] / self._group.size
        check_finite(step, self._plan.lr, {"loss": total})
        self._optimiser.zero_grad()
        self._spread.backward(loss.total)
        norm = clip(self._parameters, self._plan.clip)
        # Before the step: the weights, and with them what is saved, stay numbers.
        check_finite(step, self._plan.lr, {"gradient's norm": norm})
        self._optimiser.step()
        means = zip(loss.parts, sums[3::3], sums[5::3], strict=True)
        record = Record(
            step=step,
            progress=progress,
            loss=total,
            parts={name: nats / max(weight, 1e-6) for name, nats, weight in means},
            lr=lr,
            gradient=norm,
            examples=sum(after),
            tokens=round(sums[1]),
            flops=sums[2],
            seconds=time.perf_counter() - start,
        )
        return record, taken
