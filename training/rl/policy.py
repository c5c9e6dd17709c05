"""The probability of sampled pages under a network, with gradients.

A page is a sequence of choices (`model.sampling`): the picks of one are drawn without replacement
from the softmax of its scores over what the rules allowed (Plackett-Luce). The log-probability of
pick ``k`` is its logit less the log-sum-exp of what was left when it was drawn.

Legend: T tokens, S choices, N most picks of one, n catalog rows or entities, K picks in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from model.network import Network
from model.packing import Packing
from model.sampling import Choice, SampledPage
from tokenizer.vocabulary import IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Sampled pages, packed: what any network needs to say how likely they were.

    The picks stand in the order of the pages. ``page`` is whose they are, ``order`` the how-manyeth
    of its page, ``token`` where it stands in the packed sequence; one that is not ``told`` there (a
    short row's tail, `tokenizer.page`) where the last one of its row stands.
    """

    tokens: torch.Tensor  # (T,)
    packing: Packing
    kinds: tuple["Kind", "Kind"]  # rows, entities
    page: torch.Tensor  # (K,)
    order: torch.Tensor  # (K,)
    token: torch.Tensor  # (K,)
    told: torch.Tensor  # (K,)
    is_row: torch.Tensor  # (K,)

    @property
    def pages(self) -> int:
        """How many pages."""
        return len(self.packing.lengths)

    @classmethod
    def of(cls, pages: Sequence[SampledPage], device: torch.device) -> "Sheet":
        """Pack pages; each must have a choice."""
        starts = np.cumsum([0, *(len(page.tokens) for page in pages)])
        page: list[int] = []
        order: list[int] = []
        token: list[int] = []
        told: list[bool] = []
        is_row: list[bool] = []
        placed: list[_Placed] = []
        for index, sampled in enumerate(pages):
            start, first = int(starts[index]), len(page)
            ends = [*(choice.position for choice in sampled.choices[1:]), len(sampled.tokens) - 1]
            for choice, end in zip(sampled.choices, ends, strict=True):
                placed.append(_Placed(choice, start + choice.position, len(page)))
                picks = len(choice.picks)
                place = choice.position + 1 + np.arange(picks)
                page += [index] * picks
                token += (start + np.minimum(place, end)).tolist()
                told += (place <= end).tolist()
                is_row += [choice.is_row] * picks
            order += range(len(page) - first)
        return cls(
            tokens=torch.from_numpy(
                np.concatenate([sampled.tokens for sampled in pages]).astype(np.int64)
            ).to(device),
            packing=Packing(tuple(len(sampled.tokens) for sampled in pages), device),
            kinds=(
                Kind.of([each for each in placed if each.choice.is_row], device),
                Kind.of([each for each in placed if not each.choice.is_row], device),
            ),
            page=torch.tensor(page, device=device),
            order=torch.tensor(order, device=device),
            token=torch.tensor(token, device=device),
            told=torch.tensor(told, device=device),
            is_row=torch.tensor(is_row, device=device),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A choice, where in the packed sequence it was scored, and its first pick's place among K."""

    choice: Choice
    position: int
    first: int


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """All choices of rows, or all of entities. ``number`` is a pick's place among the sheet's K."""

    position: torch.Tensor  # (S,) in the packed sequence
    allowed: torch.Tensor  # (S, n)
    picks: torch.Tensor  # (S, N) catalog indices, 0 where there is none
    there: torch.Tensor  # (S, N)
    number: torch.Tensor  # (S, N)
    added: torch.Tensor  # (S, n) to the logits, constant: titles' own appeal is not trained here
    features: torch.Tensor | None  # (S, n, P or F) of what is weighed beside

    @classmethod
    def of(cls, found: Sequence[_Placed], device: torch.device) -> "Kind":
        """The choices of one kind."""
        choices = [each.choice for each in found]
        most = max(len(choice.picks) for choice in choices)
        picks = np.zeros((len(found), most), np.int64)
        number = np.zeros((len(found), most), np.int64)
        there = np.zeros((len(found), most), np.bool_)
        for index, each in enumerate(found):
            count = len(each.choice.picks)
            picks[index, :count], there[index, :count] = each.choice.picks, True
            number[index, :count] = np.arange(each.first, each.first + count)
        features = [choice.features for choice in choices if choice.features is not None]
        arrays = (
            np.array([each.position for each in found], np.int64),
            np.stack([choice.allowed for choice in choices]),
            picks,
            there,
            number,
            np.stack([_added(choice) for choice in choices]),
        )
        held = None if not features else torch.from_numpy(np.stack(features)).to(device)
        position, allowed, picked, is_there, places, added = (
            torch.from_numpy(array).to(device) for array in arrays
        )
        return cls(position, allowed, picked, is_there, places, added, held)


@dataclass(frozen=True, slots=True, eq=False)
class Likelihood:
    """``log_chances`` (K,) of the picks in order; ``entropy`` () of a choice's first pick, mean."""

    log_chances: torch.Tensor
    entropy: torch.Tensor


def likelihood(
    network: Network,
    sheet: Sheet,
    row_tokens: IntArray,
    entity_tokens: IntArray,
    temperature: float,
) -> Likelihood:
    """How likely a network with this temperature samples the sheet's pages."""
    hidden = network.hidden(sheet.tokens, sheet.packing)  # (T, d)
    log_chances = hidden.new_zeros(len(sheet.page), dtype=torch.float32)
    entropies = []
    weighed = (network.appeal.promised, network.appeal.crowded)
    for kind, items, beside in zip(sheet.kinds, (row_tokens, entity_tokens), weighed, strict=True):
        tokens = torch.from_numpy(np.asarray(items, np.int64)).to(hidden.device)
        output = network.outputs.rows(tokens, network.content)  # (n, d)
        logits = (hidden.index_select(0, kind.position) @ output.T).float() + kind.added
        if kind.features is not None:
            logits = logits + beside(kind.features)
        logits = logits / temperature
        picked = plackett_luce(logits, kind.allowed, kind.picks, kind.there)
        log_chances = log_chances.index_put((kind.number[kind.there],), picked[kind.there])
        entropies.append(_entropy(logits, kind.allowed))
    return Likelihood(log_chances, torch.cat(entropies).mean())


def _added(choice: Choice) -> np.ndarray:
    """(n,) what was added to the choice's logits."""
    if choice.added is None:
        return np.zeros(len(choice.allowed), np.float32)
    return choice.added


def plackett_luce(
    logits: torch.Tensor,  # (S, n)
    allowed: torch.Tensor,  # (S, n)
    picks: torch.Tensor,  # (S, N)
    there: torch.Tensor,  # (S, N)
) -> torch.Tensor:
    """Log-chances of picks, each drawn from what the earlier ones left; 0 where there is none."""
    least = torch.finfo(logits.dtype).min / 4
    # A padded pick names index 0: it takes nothing away.
    taken = torch.zeros_like(allowed, dtype=torch.int32).scatter_add(1, picks, there.int())
    left = allowed & (taken == 0)
    rest = logits.masked_fill(~left, least).logsumexp(dim=1, keepdim=True)  # (S, 1)
    chosen = logits.gather(1, picks).masked_fill(~there, least)  # (S, N)
    onward = chosen.flip(1).logcumsumexp(dim=1).flip(1)
    log_chances = chosen - torch.logaddexp(onward, rest)
    return log_chances.masked_fill(~there, 0.0)


def _entropy(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """(S,) nats of each choice's distribution."""
    masked = logits.masked_fill(~allowed, torch.finfo(logits.dtype).min / 4)
    logs = masked.log_softmax(dim=1)
    return -(logs.exp() * logs * allowed).sum(dim=1)
