"""What a batch's page scores get beside their logits: the appeal of titles, the promise of rows."""

from dataclasses import dataclass
from typing import Self

import torch

from model.network import Network
from tokenizer.crowd import NOTICED, POWERS
from training.batches import Batch
from training.candidates import BatchTargets


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """Of the P pages of a batch; K targets, E known entities, F crowds.

    Zeros where the batch has no signs.
    """

    titles: torch.Tensor  # (P, E)
    rows: torch.Tensor  # (K,) of the target rows
    crowded: torch.Tensor  # (K,) of the target titles, by what stands above them

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
                entities.new_zeros(pages, count),
                entities.new_zeros(len(batch.rows.positions)),
                entities.new_zeros(len(batch.entities.positions)),
            )
        titles = network.appeal(batch.appeal, batch.candidates.entities)  # (P, E)
        crowded = network.appeal.crowded(_crowds(batch.entities, batch.appeal.content))
        if settled:
            titles, crowded = titles.detach(), crowded.detach()
        there = batch.shown >= 0
        worth = titles[batch.rows.page[:, None], batch.shown.clamp_min(0)]
        return cls(titles, network.appeal.rows(worth, there), crowded)

    def of_targets(self, targets: BatchTargets) -> torch.Tensor:
        """(K,) of the titles that are the batch's targets."""
        return self.titles[targets.page, targets.places] + self.crowded


def _crowds(targets: BatchTargets, content: torch.Tensor) -> torch.Tensor:
    """(K, F) around the titles that are targets; ``content`` (E, C) of the candidates.

    A title that has no target of its own (an unknown one) crowds nobody.
    """
    found = []
    for page in torch.unique_consecutive(targets.page):
        here = targets.page == page
        mine = content[targets.places[here]]
        near = (mine @ mine.T).clamp_min(0.0).tril(-1) * (targets.columns[here] < NOTICED)
        found.append(torch.stack([near.pow(power).sum(1) for power in POWERS], dim=1))
    return torch.cat(found) if found else content.new_zeros(0, len(POWERS))
