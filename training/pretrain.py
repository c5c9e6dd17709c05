"""The pretraining objective: next-token prediction of page tokens, given context.

METHOD, "Training" 1, on pages with positive feedback, weighted as `training.feedback` says; plus
an auxiliary loss, the title of the member's next event (`training.examples`), which PROTOCOLS
allows and which next-item scores are read from.

Where we diverge from a plain softmax over the whole vocabulary: a target is predicted among what
could have come there (`training.candidates`), as serving only ever chooses among that.
"""

import torch
from torch.nn.functional import cross_entropy

from model.network import Network
from training.added import Added
from training.batches import Batch
from training.candidates import BatchTargets
from training.objective import Loss, Objective, Part

NEXT_TITLE_SHARE = 0.5
# The appeal of titles is to say what it can by itself: rows are judged by it (`genpage.promise`).
APPEAL_SHARE = 0.5


class Pretraining(Objective):
    """Cross-entropy of the page's rows and entities and of next titles."""

    def loss(self, network: Network, batch: Batch) -> Loss:
        """Weighted means: page tokens together, next titles beside them."""
        candidates = batch.candidates
        hidden = network.hidden(batch.tokens, batch.packing, batch.identity)  # (T, d)
        rows = network.outputs.rows(candidates.rows, network.content, batch.identity)  # (R, d)
        entities = network.outputs.rows(candidates.entities, network.content, batch.identity)
        added = Added.of(network, batch, entities)
        closed = candidates.closed_entities(batch.entities)
        parts = {
            "rows": cross_entropies(hidden, rows, batch.rows, candidates.closed_rows(batch.rows)),
            "entities": cross_entropies(hidden, entities, batch.entities, closed, added.titles),
            "titles": cross_entropies(
                hidden, entities, batch.titles, candidates.closed_entities(batch.titles)
            ),
        }
        page = parts["rows"] + parts["entities"]
        total = page.mean + NEXT_TITLE_SHARE * parts["titles"].mean
        if batch.appeal is not None:
            nothing = torch.zeros_like(hidden[:, :1])
            alone = cross_entropies(nothing, entities[:, :1], batch.entities, closed, added.titles)
            total = total + APPEAL_SHARE * alone.mean
        return Loss(total, parts)


def cross_entropies(
    hidden: torch.Tensor,  # (T, d)
    output: torch.Tensor,  # (candidates, d)
    targets: BatchTargets,
    closed: torch.Tensor,  # (K, candidates)
    added: torch.Tensor | None = None,  # (pages, candidates)
) -> Part:
    """Cross-entropy of the targets among the candidates that are open."""
    logits = (hidden.index_select(0, targets.positions) @ output.T).float()  # (K, candidates)
    if added is not None:
        logits = logits + added[targets.page]
    logits = logits.masked_fill(closed, float("-inf"))
    nats = cross_entropy(logits, targets.places, reduction="none")
    guess = (~closed).sum(dim=1).log()  # a uniform one
    weights = targets.weights
    return Part((nats * weights).sum(), (guess * weights).sum(), weights.sum())
