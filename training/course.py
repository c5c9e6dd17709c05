"""One course of training: questions in drawn orders, with pages beside them.

The optimiser is a new one each time. A course that was stopped goes on after its last saved state,
to the same weights.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from model.network import Network
from training.asking import question_loss
from training.batches import BatchStream
from training.cadence import Cadence
from training.divergence import check_finite
from training.objective import Objective
from training.paced import paced_optimiser
from training.partial import PartialRun, State
from training.questions import Asked, QuestionStream
from training.rehearsal import batches
from training.schedule import learning_rate

# Hears how much of the course is done, in shares, and the batch's loss a question (nats).
Watch = Callable[[float, float], None]
# Batches between saved states.
SAVE_EVERY = 20


@dataclass(frozen=True, slots=True)
class Lap:
    """What was gone through; ``nats`` a question, None where there was none."""

    questions: int
    pages: int
    steps: int
    nats: float | None
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What is trained, on whose questions and pages, at which cadence.

    ``entities`` are the titles' tokens, ``objective`` that of the pages.
    """

    network: Network
    stream: QuestionStream
    entities: torch.Tensor
    objective: Objective | None
    cadence: Cadence
    seed: tuple[int, ...]
    watch: Watch

    def over(
        self, asked: list[Asked], pages: BatchStream | None, partial: PartialRun | None
    ) -> Lap:
        """Train on all of ``asked`` and as many of ``pages`` as the cadence has."""
        began, cadence = time.perf_counter(), self.cadence
        optimiser = paced_optimiser(self.network, cadence.lr)
        total = sum(len(each.events) for each in asked) * cadence.passes
        # There are more of them than were asked for: a batch is not cut.
        page_examples = 0 if pages is None else min(cadence.pages, pages.examples)
        state = None if partial is None else partial.open(force=False)
        done, taken, steps, sums, before = 0, 0, 0, 0.0, 0.0
        if state is not None:
            steps, taken = state.step, state.taken
            done, sums, before = (state.memory[name] for name in ("done", "sums", "seconds"))
            self.network.load_state_dict(state.network)
            optimiser.load_state_dict(state.optimiser)
        self.network.train()
        order = batches(asked, cadence.passes, cadence.questions, self.seed)
        for number, chosen in enumerate(order):
            if number < steps:
                continue  # by the run that was stopped
            batch = self.stream.batch(chosen, np.random.default_rng((*self.seed, 1, number)))
            done += len(batch.places)
            share = min(1.0, done / max(1, total))
            for group in optimiser.param_groups:
                group["lr"] = group["pace"] * learning_rate(cadence.lr, share)
            loss = question_loss(self.network, batch, self.entities)
            nats = float(loss.detach())
            if pages is not None and self.objective is not None and taken < share * page_examples:
                step = pages.after([taken])
                taken = sum(step.taken)
                loss = loss + self.objective.loss(self.network, step.batch).total
            check_finite(steps + 1, cadence.lr, {"loss": float(loss.detach())})
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), cadence.clip)
            check_finite(steps + 1, cadence.lr, {"gradient's norm": float(norm)})
            optimiser.step()
            steps, sums = steps + 1, sums + nats * len(batch.places)
            self.watch(share, nats)
            if partial is not None and steps % SAVE_EVERY == 0:
                seconds = before + time.perf_counter() - began
                memory = {"done": done, "sums": sums, "seconds": seconds}
                partial.save(
                    State(
                        step=steps,
                        taken=taken,
                        metrics_size=0,
                        network=self.network.state_dict(),
                        optimiser=optimiser.state_dict(),
                        memory=memory,
                    )
                )
        self.network.eval()
        return Lap(
            questions=done,
            pages=taken,
            steps=steps,
            nats=sums / done if done else None,
            seconds=before + time.perf_counter() - began,
        )
