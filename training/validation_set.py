"""Pages of the day that a run does not train on, by which it is judged."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import Network
from training.batches import BatchStream
from training.objective import Objective, Part, Prediction
from training.summary import Validation


@dataclass(frozen=True, slots=True, eq=False)
class ValidationSet:
    """Some of a day's pages, the same whenever they are asked for."""

    day: str
    stream: BatchStream  # over all of the day's pages
    places: NDArray[np.int64]  # (n,) those that are judged

    @classmethod
    def drawn(cls, day: str, stream: BatchStream, most: int, seed: int) -> Self:
        """``most`` of the stream's pages, or all."""
        chosen = np.random.default_rng(seed).permutation(stream.examples)
        return cls(day, stream, np.sort(chosen[:most]))

    @torch.inference_mode()
    def judged(self, network: Network, objective: Objective) -> Validation:
        """Losses and figures on these pages, every ID worn. Puts the network into `eval`."""
        builder = self.stream.builder
        examples = (
            builder.build(int(page), np.random.default_rng(0), split=0.0) for page in self.places
        )
        whose = [builder.member(int(page)) for page in self.places]
        members = np.unique(whose, return_inverse=True)[1].astype(np.int64)
        sums: dict[str, Part] = {}
        found: dict[str, list[Prediction]] = {}
        network.eval()
        for batch in self.stream.packed(examples):
            for name, part in objective.loss(network, batch).parts.items():
                sums[name] = sums[name] + part if name in sums else part
            for name, prediction in objective.predictions(network, batch).items():
                found.setdefault(name, []).append(prediction)
        return Validation(
            day=self.day,
            pages=len(self.places),
            losses={name: float(part.mean) for name, part in sums.items()},
            guesses={name: float(part.guess_mean) for name, part in sums.items()},
            figures=dict(objective.report(found, members)),
        )
