"""Fitting a draft head: the cross-entropy of what its chains foretell, on pages that were made.

Shape legend: P pairs of a chain and a decision that it foretells, C candidates, K width of the
head, W of the trunk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from model.drafts import DraftHead
from model.network import Network
from tokenizer.vocabulary import IntArray
from training.divergence import check_finite
from training.drafts.ballots import Ballots
from training.drafts.chains import Chains
from training.drafts.decided import DecidedPage
from training.drafts.settings import Settings

_DECAY = 0.01
_CLIP = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """The fused vectors of a catalog's items, its rows before its entities; both (R + E, W)."""

    inputs: torch.Tensor
    outputs: torch.Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, network: Network, rows: IntArray, entities: IntArray) -> "Vectors":
        """Of the tokens of `Vocabulary.item_tokens`."""
        tokens = torch.cat([torch.from_numpy(each).long() for each in (rows, entities)])
        tokens = tokens.to(network.content.device)
        return cls(
            *(
                table.rows(tokens, network.content).float()
                for table in (network.inputs, network.outputs)
            )
        )


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the pages: its mean loss (nats a foretold decision)."""

    number: int
    loss: float


def fit(
    head: DraftHead,
    pages: Sequence[DecidedPage],
    ballots: Ballots,
    vectors: Vectors,
    settings: Settings,
    watch: Callable[[Epoch], None],
) -> tuple[Epoch, ...]:
    """Fit ``head`` in place, on the device of the ``vectors``; ``watch`` hears each epoch."""
    device = vectors.inputs.device
    head.to(device).train()
    outputs = vectors.outputs[ballots.candidates.to(device)]
    optimiser = torch.optim.AdamW(head.parameters(), lr=settings.lr, weight_decay=_DECAY)
    batches = -(-len(pages) // settings.batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.lr, total_steps=settings.epochs * batches + 1
    )
    order = torch.Generator().manual_seed(settings.seed)
    epochs = []
    for number in range(1, settings.epochs + 1):
        nats, told = 0.0, 0
        for batch in torch.split(torch.randperm(len(pages), generator=order), settings.batch):
            chosen = batch.tolist()
            chains = Chains.of([pages[page] for page in chosen], settings.depth)
            decided = torch.cat([ballots.decided[page] for page in chosen])[chains.decision]
            known = decided >= 0
            if not known.any():
                continue
            hidden = torch.cat([torch.from_numpy(pages[page].hidden) for page in chosen])
            items = torch.cat([torch.from_numpy(pages[page].items) for page in chosen]).long()
            added = torch.cat([ballots.added[page] for page in chosen])[chains.decision[known]]
            heard = head.heard(vectors.inputs[items.to(device)])
            states = chains.states(head, hidden.to(device), heard)[known.to(device)]
            scores = states @ head.sought(outputs).T + added.to(device).float()  # (P, C)
            loss = cross_entropy(scores, decided[known].to(device))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), _CLIP)
            optimiser.step()
            rate.step()
            count = int(known.sum())
            nats, told = nats + float(loss.detach()) * count, told + count
        check_finite(number, settings.lr, {"loss": nats})
        epochs.append(Epoch(number, nats / max(1, told)))
        watch(epochs[-1])
    # The last step's too, behind which there is no loss.
    total = sum(float(parameter.detach().abs().sum()) for parameter in head.parameters())
    check_finite(settings.epochs, settings.lr, {"sum of weights": total})
    head.eval()
    return tuple(epochs)
