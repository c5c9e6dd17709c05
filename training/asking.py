"""The loss of questions: cross-entropy of the title that came among all that could have come."""

import torch
from torch.nn.functional import cross_entropy

from model.network import Network
from tokenizer.signals import FIRST_KIND, FIRST_PACE, HEATS
from training.questions import QuestionBatch


def question_logits(network: Network, batch: QuestionBatch, entities: torch.Tensor) -> torch.Tensor:
    """(K, E) logits of the known titles (tokens ``entities``), -inf where none may come."""
    hidden = network.hidden(batch.tokens, batch.packing, batch.identity)  # (T, d)
    asked: torch.Tensor = network.asks(
        hidden.index_select(0, batch.positions), batch.since
    )  # (K, d)
    output = network.outputs.rows(entities, network.content, batch.identity)  # (E, d)
    logits = asked @ output.T
    gates = network.signals(asked, batch.since)  # (K, F)
    long = batch.long.to(logits.dtype)
    logits = logits + torch.bmm(gates[:, None, FIRST_PACE:FIRST_KIND], long)[:, 0]
    heat = network.signals.heat(batch.paces)  # (K, A, HEATS)
    warmth = torch.bmm(heat, gates[:, :HEATS, None])[..., 0]  # (K, A)
    logits = logits.scatter_add(1, batch.hot, warmth.masked_fill(~batch.is_hot, 0.0))
    if len(batch.sparse):
        weights = gates[batch.sparse_at[0], batch.sparse_kind] * batch.sparse
        logits = logits.index_put(
            (batch.sparse_at[0], batch.sparse_at[1]), weights, accumulate=True
        )
    closed = batch.unseen.clone()
    closed[batch.closed[0], batch.closed[1]] = True
    closed.scatter_(1, batch.places[:, None], value=False)
    return logits.masked_fill(closed, float("-inf"))


def question_loss(network: Network, batch: QuestionBatch, entities: torch.Tensor) -> torch.Tensor:
    """Mean nats a question."""
    logits = question_logits(network, batch, entities)
    loss: torch.Tensor = cross_entropy(logits.float(), batch.places)
    return loss
