"""The appeal of titles, learnt by itself first: what a seen title brings, told by its signs.

A reward is nothing at all for nineteen of twenty seen titles, so what is learnt is two things of
one hidden layer: the chance that a seen title is acted on at all (its logit, by binary
cross-entropy), and the logarithm of what an act brings (a mean, by Poisson's quasi-likelihood,
Wedderburn 1974, which is right for a mean whatever the spread, losses among it). Their sum orders
titles by the reward that they are expected to bring, and both are linear in the hidden layer, so
that the sum is a `model.appeal.Appeal` like any other. It takes seconds: a title is some dozens of
numbers here, and the sequence model, which takes a thousand times longer for one, learns what is
missing.

A title has a number of its own too, in the chance: what signs and content leave of how often it is
acted on. What stands above counts: a title is acted on less behind others like it
(`tokenizer.crowd`). That is part of the chance, and the same for every member.

In WBC a logit is the odds that the sign of a reward, weighted by its size, is good; the appeal is
set to that scale by the straight line that classifies so best.

Shape legend: n seen titles, m of a batch, S signs, H hidden units, K affinity dimensions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from genpage.entity import ENTITY_KINDS
from model.appeal import Appeal
from tokenizer.appeal import GAIN
from tokenizer.signs import SIGN_NAMES
from training.bounds import COUNT, RATE, WEIGHT, check
from training.seen import SeenTitles

_WARM_UP = 20
_AT_ONCE = 1 << 16
_KINDS = [SIGN_NAMES.index(f"kind_{kind}") for kind in ENTITY_KINDS]
_NEWTON_STEPS = 12


@dataclass(frozen=True, slots=True)
class Appraisal:
    """How the appeal is learnt. Chosen on an earlier day than what is reported.

    ``emphasis`` is how often the logarithm of what an act brings counts. Who plays often leaves, so
    that an act costs what the rest of the page would have brought, and those that bring much are
    worth more than their share: 1 would be right for members who look at everything.
    """

    pages: int = 20_000
    epochs: int = 3
    batch: int = 1024
    lr: float = 6e-3
    decay: float = 0.3
    emphasis: float = 1.6

    def __post_init__(self) -> None:
        """Check every value; a wrong one is a `UsageError` naming it."""
        check(self, pages=COUNT, epochs=COUNT, batch=COUNT, lr=RATE, decay=WEIGHT, emphasis=WEIGHT)


def appraise(
    appeal: Appeal,
    seen: SeenTitles,
    content: torch.Tensor,  # (E, C) of the catalog's titles
    tokens: torch.Tensor,  # (E,) theirs
    ignored: float,
    how: Appraisal,
    *,
    seed: int = 0,
) -> bool:
    """Set ``appeal`` (but for what rows promise) from what was seen.

    ``ignored`` is the reward of a seen title that nothing was done with, below 0. False where
    there was nothing to compare. Deterministic.
    """
    acted = (seen.reward > 0) | (seen.reward < 1.001 * ignored)
    if not acted.any() or acted.all():
        return False
    generator = torch.Generator().manual_seed(seed)
    learner = _Learner(appeal, seen, content)
    learner.begin(acted)
    # A title that was perhaps not seen counts by the chance that it was.
    weight = torch.where(acted, 1.0, seen.reward / ignored)
    brought = seen.reward / seen.reward[acted].mean().abs()
    optimiser = torch.optim.AdamW(
        [
            {"params": learner.weights(), "weight_decay": how.decay},
            {"params": [learner.offset], "weight_decay": 0.0},
        ],
        how.lr,
    )
    total = how.epochs * math.ceil(len(seen) / how.batch)
    for step, lines in enumerate(_batches(seen, how, generator)):
        done = step / total
        for group in optimiser.param_groups:
            pace = min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * done))
            group["lr"] = how.lr * pace
        chance, worth = learner(lines)
        engaged = acted[lines].float()
        losses = weight[lines] * binary_cross_entropy_with_logits(chance, engaged, reduction="none")
        losses = losses + engaged * (torch.exp(worth) - brought[lines] * worth)
        optimiser.zero_grad()
        losses.mean().backward()
        optimiser.step()
    with torch.no_grad():
        every = torch.arange(len(seen))
        heads = [torch.stack(learner(part)) for part in torch.split(every, _AT_ONCE)]
        parts = torch.tensor([1.0, how.emphasis])
        slope, offset = _scale(parts @ torch.cat(heads, dim=1), seen.reward)
        learner.give(appeal, tokens, parts, slope, offset)
    return True


class _Learner(nn.Module):
    """The two heads over one hidden layer, at their natural scale."""

    def __init__(self, appeal: Appeal, seen: SeenTitles, content: torch.Tensor) -> None:
        super().__init__()
        self._seen, self._content = seen, content
        self.inner = nn.Parameter(appeal.inner.detach().cpu().clone())
        self.asked = nn.Parameter(appeal.asked.detach().cpu().clone())
        self.bias = nn.Parameter(torch.zeros(len(appeal.bias)))
        self.outer = nn.Parameter(torch.zeros(len(appeal.outer), 2))
        self.plain = nn.Parameter(torch.zeros(len(appeal.plain), 2))
        self.offset = nn.Parameter(torch.zeros(2))
        self.wish = nn.Parameter(torch.zeros(appeal.wish.shape))
        self.title = nn.Parameter(appeal.title.detach().cpu().clone())
        self.crowd = nn.Parameter(torch.zeros(len(appeal.crowd)))
        self.own = nn.Parameter(torch.zeros(len(content)))

    def weights(self) -> list[nn.Parameter]:
        """All but what is said of every title."""
        return [value for value in self.parameters() if value is not self.offset]

    @torch.no_grad()
    def begin(self, acted: torch.Tensor) -> None:
        """Where nothing is known of a title: the share that is acted on, and its mean."""
        self.offset[0] = torch.logit(acted.float().mean())

    def forward(self, lines: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(m,) logits of an act, and logarithms of what it brings."""
        seen = self._seen
        pages, place = torch.unique(seen.page[lines], return_inverse=True)
        signs = seen.signs[lines]
        asked = seen.asked[pages] @ self.asked + self.bias
        hidden = torch.relu(signs @ self.inner + asked[place])  # (m, H)
        heads = hidden @ self.outer + signs @ self.plain + self.offset
        wishes = torch.einsum("pwc,wck->pk", seen.wishes[pages], self.wish)
        titles = self._content @ self.title  # (E, K)
        near = (wishes[place] * titles[seen.entity[lines]]).sum(dim=1)
        chance = heads[:, 0] + near + self.own[seen.entity[lines]]
        return chance + seen.crowd[lines] @ self.crowd, heads[:, 1]

    def give(
        self,
        appeal: Appeal,
        tokens: torch.Tensor,
        parts: torch.Tensor,
        slope: float,
        offset: float,
    ) -> None:
        """The heads' sum in these parts (2,), on the line's scale, to an appeal."""
        scale = slope / GAIN
        constant = offset + slope * float(self.offset @ parts)
        plain = self.plain @ parts * scale
        # Every title is of one kind: what is added to all kinds is added to every title.
        plain[_KINDS] += constant / GAIN
        quality = torch.zeros_like(appeal.quality)
        quality[tokens] = self.own * float(parts[0]) * scale
        for held, found in (
            (appeal.inner, self.inner),
            (appeal.asked, self.asked),
            (appeal.bias, self.bias),
            (appeal.outer, self.outer @ parts * scale),
            (appeal.plain, plain),
            (appeal.wish, self.wish * scale),
            (appeal.title, self.title),
            (appeal.crowd, self.crowd * scale),
            (appeal.quality, quality),
        ):
            held.copy_(found)


def _batches(
    seen: SeenTitles, how: Appraisal, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Lines (m,) of pages in a new order every epoch, each line once."""
    for _ in range(how.epochs):
        turn = torch.randperm(len(seen.asked), generator=generator)
        yield from torch.split(torch.argsort(turn[seen.page], stable=True), how.batch)


def _scale(values: torch.Tensor, rewards: torch.Tensor) -> tuple[float, float]:
    """The line (slope, offset) of values (n,) whose sigmoid classifies signs best, by weight.

    Newton's method; the problem has two unknowns and is convex.
    """
    good, weights = (rewards > 0).double(), rewards.abs().double()
    columns = torch.stack([values.double(), torch.ones_like(values, dtype=torch.float64)])  # (2, n)
    line = torch.zeros(2, dtype=torch.float64)
    for _ in range(_NEWTON_STEPS):
        chance = torch.sigmoid(line @ columns)
        slopes = columns @ (weights * (chance - good))
        bends = (columns * (weights * chance * (1.0 - chance))) @ columns.T
        line = line - torch.linalg.solve(bends + 1e-6 * torch.eye(2, dtype=torch.float64), slopes)
    return float(line[0]), float(line[1])
