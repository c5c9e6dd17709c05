"""What a network is trained for, as a port: `training.pretrain` is one objective."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from model.network import Network
from training.batches import Batch

_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One kind of target: weighted sums of its losses, of a blind guess's, and of its weights."""

    nats: torch.Tensor  # ()
    guess: torch.Tensor  # () what the loss would be of a model that knows nothing
    weight: torch.Tensor  # ()

    @property
    def mean(self) -> torch.Tensor:
        """Nats a target; 0 where there was none."""
        return self.nats / self.weight.clamp_min(_LEAST_WEIGHT)

    @property
    def guess_mean(self) -> torch.Tensor:
        """The blind guess's nats a target."""
        return self.guess / self.weight.clamp_min(_LEAST_WEIGHT)

    def __add__(self, other: "Part") -> "Part":
        return Part(self.nats + other.nats, self.guess + other.guess, self.weight + other.weight)

    def detached(self) -> "Part":
        """For the record: no graph behind it."""
        return Part(self.nats.detach(), self.guess, self.weight)


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """What is minimised, and its parts for the record."""

    total: torch.Tensor  # ()
    parts: Mapping[str, Part]


class Objective(Protocol):
    """What a network is trained for."""

    def loss(self, network: Network, batch: Batch) -> Loss:
        """The loss of one batch; a pure function of both."""
        ...
