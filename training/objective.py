"""What a network is trained for, as a port: `training.pretrain` is one objective."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from model.network import Network
from training.batches import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One kind of target: the weighted sum of its losses (nats) and of its weights."""

    nats: torch.Tensor  # ()
    weight: torch.Tensor  # ()

    @property
    def mean(self) -> torch.Tensor:
        """Nats a target; 0 where there was none."""
        return self.nats / self.weight.clamp_min(1e-6)

    def __add__(self, other: "Part") -> "Part":
        return Part(self.nats + other.nats, self.weight + other.weight)

    def detached(self) -> "Part":
        """For the record: no graph behind it."""
        return Part(self.nats.detach(), self.weight.detach())


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
