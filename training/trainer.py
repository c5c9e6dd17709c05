"""The training loop: batch, loss, step, record; the same for every objective."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

from model.network import Network
from training.batches import Batch, BatchStream
from training.divergence import check_finite
from training.machine import training_dtype, training_flops
from training.objective import Objective
from training.partial import PartialRun, State
from training.schedule import Budget, learning_rate

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
    """One step, as a line of the metrics; times are seconds.

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
    """Trains a network in place. One run; `steps` yields a record after each step."""

    def __init__(
        self,
        network: Network,
        objective: Objective,
        stream: BatchStream,
        plan: Plan,
        partial: PartialRun,
    ) -> None:
        self._network = network.train()
        self._objective = objective
        self._heads = objective.heads
        self._stream = stream
        self._plan = plan
        self._partial = partial
        matrices = [p for _, p in network.trunk.named_parameters() if p.dim() > 1]
        decayed = {id(p) for p in matrices}
        others = [p for p in network.parameters() if id(p) not in decayed]
        others += self._heads.parameters()
        self._parameters = [*matrices, *others]
        groups: list[dict[str, Any]] = [  # torch's own signature
            {"params": matrices, "weight_decay": WEIGHT_DECAY},
            {"params": others, "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.lr, betas=BETAS)

    def steps(self, *, force: bool) -> Iterator[Record]:
        """Train until the budget is used up, from where an unfinished run stopped.

        ``force`` discards an unfinished run with other settings.
        """
        step, taken = 0, 0
        state = self._partial.open(force=force)
        if state is not None:
            step, taken = state.step, state.taken
            self._network.load_state_dict(state.network)
            self._heads.load_state_dict(state.heads)
            self._optimiser.load_state_dict(state.optimiser)
        budget = self._plan.budget
        with self._partial.metrics.open("ab") as metrics:
            while budget.progress(step, taken) < 1.0:
                start = time.perf_counter()
                advance = self._stream.after(taken)
                progress = budget.progress(step + 1, advance.taken)
                record = self._step(advance.batch, step + 1, progress, advance.taken - taken, start)
                step, taken = record.step, advance.taken
                metrics.write(json.dumps(asdict(record)).encode() + b"\n")
                metrics.flush()
                if step % self._plan.save_every == 0:
                    self._save(step, taken, metrics.tell())
                yield record

    def _step(
        self, batch: Batch, step: int, progress: float, examples: int, start: float
    ) -> Record:
        lr = learning_rate(self._plan.lr, progress)
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        device = batch.tokens.device
        mixed = training_dtype(device) == torch.bfloat16
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = self._objective.loss(self._network, batch)
        total = float(loss.total.detach())
        check_finite(step, self._plan.lr, {"loss": total})
        self._optimiser.zero_grad()
        loss.total.backward()  # type: ignore[no-untyped-call]
        clipped = torch.nn.utils.clip_grad_norm_(self._parameters, self._plan.clip)
        norm = float(clipped)
        # Before the step: the weights, and with them what is saved, stay numbers.
        check_finite(step, self._plan.lr, {"gradient's norm": norm})
        self._optimiser.step()
        logits = self._objective.logits(batch)
        return Record(
            step=step,
            progress=progress,
            loss=total,
            parts={name: float(part.detached().mean) for name, part in loss.parts.items()},
            lr=lr,
            gradient=norm,
            examples=examples,
            tokens=batch.packing.tokens,
            flops=training_flops(self._network.config, batch.packing, logits),
            seconds=time.perf_counter() - start,
        )

    def _save(self, step: int, taken: int, metrics_size: int) -> None:
        self._partial.save(
            State(
                step,
                taken,
                metrics_size,
                self._network.state_dict(),
                self._heads.state_dict(),
                self._optimiser.state_dict(),
            )
        )
