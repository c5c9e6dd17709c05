"""The pretraining objective: next-token prediction of page tokens, given context.

METHOD, "Training" 1, on pages with positive feedback, weighted as `training.feedback` says; plus
an auxiliary loss, the title of the member's next event (`training.examples`), which PROTOCOLS
allows and which next-item scores are read from.

Where we diverge from a plain softmax over the whole vocabulary:

1. A row's token is predicted among rows, an entity's among entities. The page grammar knows which
   of the two comes next, always, so that nothing need be learnt about it.
2. An entity is no candidate at a moment before its release: a title of this week must not have
   been pushed down by all pages of the month.
"""

import torch
from torch.nn.functional import cross_entropy

from model.network import Network
from training.batches import Batch, BatchTargets, Candidates
from training.objective import Loss, Part

NEXT_TITLE_SHARE = 0.5


class Pretraining:
    """Cross-entropy of the page's rows and entities and of next titles."""

    def loss(self, network: Network, batch: Batch) -> Loss:
        """Weighted means: page tokens together, next titles beside them."""
        candidates = batch.candidates
        hidden = network.hidden(batch.tokens, batch.packing, batch.identity)  # (T, d)
        rows = network.outputs.rows(candidates.rows, network.content, batch.identity)  # (R, d)
        entities = network.outputs.rows(candidates.entities, network.content, batch.identity)
        parts = {
            "rows": _part(hidden, rows, batch.rows, None),
            "entities": _part(hidden, entities, batch.entities, candidates),
            "titles": _part(hidden, entities, batch.titles, candidates),
        }
        page = parts["rows"] + parts["entities"]
        return Loss(page.mean + NEXT_TITLE_SHARE * parts["titles"].mean, parts)


def _part(
    hidden: torch.Tensor,  # (T, d)
    output: torch.Tensor,  # (candidates, d)
    targets: BatchTargets,
    released: Candidates | None,
) -> Part:
    """Cross-entropy of the targets among the candidates."""
    logits = (hidden.index_select(0, targets.positions) @ output.T).float()  # (K, candidates)
    if released is not None:
        unborn = released.released[None, :] > targets.days[:, None]
        unborn.scatter_(1, targets.places[:, None], value=False)
        logits = logits.masked_fill(unborn, float("-inf"))
    nats = cross_entropy(logits, targets.places, reduction="none")
    return Part((nats * targets.weights).sum(), targets.weights.sum())
