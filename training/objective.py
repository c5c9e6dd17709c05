"""What a network is trained for, as a port.

`training.pretrain`, `training.wbc` and `training.reward_model` are the objectives of batches of
logged pages; a new one subclasses `Objective` and overrides what differs. Extra heads (a value, a
row's tail) live in ``heads``, are trained and saved with the network, and are the objective's own.
"""

# ruff: noqa: ARG002 - what the port hands over is for those who override

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dataset.folder import DataFolder
from genpage.catalog import Catalog
from model.config import Size
from model.network import Network
from training.batches import Batch
from training.group import shared
from training.labels import Labels, PositiveFeedback
from training.lesson import Lesson
from training.recipe import PRETRAINING, Recipe

_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One kind of target: weighted sums of its losses, of a blind guess's, and of its weights."""

    nats: torch.Tensor  # ()
    guess: torch.Tensor  # () what the loss would be of a model that knows nothing
    weight: torch.Tensor  # ()

    @property
    def divisor(self) -> torch.Tensor:
        """What sums of losses are divided by: the weight, of several processes the mean one.

        See `training.group.shared`; every process must ask.
        """
        return shared(self.weight).clamp_min(_LEAST_WEIGHT)

    @property
    def mean(self) -> torch.Tensor:
        """Loss a target; 0 where there was none. Its mean over processes is the batch's."""
        return self.nats / self.divisor

    @property
    def guess_mean(self) -> torch.Tensor:
        """The blind guess's loss a target."""
        return self.guess / self.divisor

    def __add__(self, other: "Part") -> "Part":
        return Part(self.nats + other.nats, self.guess + other.guess, self.weight + other.weight)


@dataclass(frozen=True, slots=True, eq=False)
class Loss:
    """What is minimised, and its parts for the record."""

    total: torch.Tensor  # ()
    parts: Mapping[str, Part]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What was predicted of one kind of target, beside what came; all (K,) on the CPU."""

    predicted: torch.Tensor
    came: torch.Tensor
    weights: torch.Tensor


class Objective(Protocol):
    """What a network is trained for."""

    @property
    def heads(self) -> nn.Module:
        """What is trained beside the network; nothing by default."""
        return nn.ModuleDict()

    def begin(self, network: Network) -> None:
        """Called once, before all else: makes what heads there are, for this network."""
        return

    def acquaint(self, network: Network, lesson: Lesson) -> None:
        """Called once, before the first step: what is learnt before sequences are.

        Every process comes to the same.
        """
        return

    def loss(self, network: Network, batch: Batch) -> Loss:
        """The loss of one batch; a pure function of both."""
        ...

    def labels(self, folder: DataFolder, catalog: Catalog, until: float) -> Labels:
        """What of a folder's impressions before ``until`` (Unix seconds) is learnt from."""
        return PositiveFeedback()

    def recipe(self, size: Size) -> Recipe:
        """How a model of this size is trained."""
        return PRETRAINING[size]

    def settings(self) -> Mapping[str, object]:
        """What of the objective decides the loss curve; a run with others is another run."""
        return {}

    def logits(self, batch: Batch) -> int:
        """How many logits a batch's loss computes, for the count of its FLOPs."""
        targets = len(batch.entities.positions) + len(batch.titles.positions)
        return targets * len(batch.candidates.entities)

    @property
    def held_out_pages(self) -> int:
        """By how many pages of the held-out day it is judged, at most."""
        return 200

    def predictions(self, network: Network, batch: Batch) -> Mapping[str, Prediction]:
        """Predictions on held-out pages, to be `reported`."""
        return {}

    def report(
        self, found: Mapping[str, Sequence[Prediction]], members: NDArray[np.int64]
    ) -> Mapping[str, float]:
        """Figures of all held-out predictions; ``members`` (P,) are whose the pages are."""
        return {}

    def refuse(self, figures: Mapping[str, float]) -> None:
        """`TrainingError` where the figures are too poor for a checkpoint to be written."""
        return

    def files(self) -> Mapping[str, bytes]:
        """What the checkpoint carries beside the network."""
        return {}
