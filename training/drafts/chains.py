"""Chains of a draft head over pages: from each decision on, token by token, as a draft goes.

A chain starts from what the trunk knew at a decision, hears the tokens that were decided there and
after it, and foretells the decisions behind it, up to a depth. Where a decision gave many tokens at
once (the fill of a row) the chain steps over all of them.

Shape legend: n items and D decisions of some pages one after another, P pairs of a chain and a
decision that it foretells, K width of the head, W of the trunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from model.drafts import DraftHead
from training.drafts.decided import DecidedPage


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """All chains of some pages, the longest first, and what they foretell, by steps.

    ``alive`` says how many chains take each step, ``told`` how many of the pairs are behind it.
    """

    begins: torch.Tensor  # (chains,) the decision that each starts at
    first: torch.Tensor  # (chains,) the item that it hears first
    alive: tuple[int, ...]
    told: tuple[int, ...]
    chain: torch.Tensor  # (P,)
    decision: torch.Tensor  # (P,)
    depth: torch.Tensor  # (P,) 1: the decision behind the one that the chain starts at

    @classmethod
    def of(cls, pages: Sequence[DecidedPage], depth: int) -> "Chains":
        """Chains of these pages, which stand one after another."""
        begins, pairs = [], []  # (decision, item), (decision, decision, steps before, depth)
        items = decisions = 0
        for page in pages:
            first = page.first.tolist()
            for at, place in enumerate(first):
                behind = first[at + 1 : at + 1 + depth]
                if not behind:
                    continue
                begins.append((decisions + at, items + place, behind[-1] - place))
                pairs += [
                    (decisions + at, decisions + at + far, other - place - 1, far)
                    for far, other in enumerate(behind, start=1)
                ]
            items, decisions = items + len(page.items), decisions + len(first)
        chains = np.array(begins, np.int64).reshape(-1, 3)
        chains = chains[np.argsort(-chains[:, 2], kind="stable")]
        told = np.array(pairs, np.int64).reshape(-1, 4)
        told = told[np.argsort(told[:, 2], kind="stable")]
        where = np.zeros(decisions, np.int64)
        where[chains[:, 0]] = np.arange(len(chains))
        steps = int(chains[0, 2]) if len(chains) else 0
        return cls(
            begins=torch.from_numpy(chains[:, 0]),
            first=torch.from_numpy(chains[:, 1]),
            alive=tuple(int((chains[:, 2] > step).sum()) for step in range(steps)),
            told=tuple(np.bincount(told[:, 2], minlength=steps).tolist()),
            chain=torch.from_numpy(where[told[:, 0]]),
            decision=torch.from_numpy(told[:, 1]),
            depth=torch.from_numpy(told[:, 3]),
        )

    def states(self, head: DraftHead, hidden: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """The state that foretells, of each pair: (D, W), (n, K) -> (P, K)."""
        state = head.start(hidden[self.begins])
        found = [state[:0]]
        chain = torch.split(self.chain, list(self.told))
        for step, (alive, mine) in enumerate(zip(self.alive, chain, strict=True)):
            state = head.step(state[:alive], heard[self.first[:alive] + step])
            found.append(state[mine])
        return torch.cat(found)
