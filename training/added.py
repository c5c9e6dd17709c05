"""What a batch's page scores get beside their logits: the appeal of titles, the promise of rows."""

from dataclasses import dataclass
from typing import Self

import torch

from model.network import Network
from training.batches import Batch
from training.candidates import BatchTargets


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """Of the P pages of a batch; K targets, E known entities.

    Zeros where the batch has no signs.
    """

    titles: torch.Tensor  # (P, E)
    rows: torch.Tensor  # (K,) of the target rows

    @classmethod
    def of(
        cls, network: Network, batch: Batch, entities: torch.Tensor, *, settled: bool = False
    ) -> Self:
        """``entities`` (E, d) are the output vectors as the batch wears them.

        Nothing is learnt of titles' appeal where it is ``settled``, of rows' promise always.
        """
        if batch.appeal is None:
            pages, count = len(batch.packing.lengths), len(entities)
            return cls(
                entities.new_zeros(pages, count), entities.new_zeros(len(batch.rows.positions))
            )
        titles = network.appeal(batch.appeal, entities)  # (P, E)
        titles = titles.detach() if settled else titles
        there = batch.shown >= 0
        worth = titles[batch.rows.page[:, None], batch.shown.clamp_min(0)]
        return cls(titles, network.appeal.rows(worth, there))

    def of_targets(self, targets: BatchTargets) -> torch.Tensor:
        """(K,) of the titles that are targets."""
        return self.titles[targets.page, targets.places]
