"""What decisions of pages are told from while a draft head is fitted: all rows, and some titles.

The titles that the pages decided for most often, which are those that a head has to tell apart;
of a decision for another title nothing is learnt.

Shape legend: C candidates, D decisions of a page, R rows and E entities of the catalog, whose items
are R + E.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.drafts.decided import DecidedPage, Open


@dataclass(frozen=True, slots=True, eq=False)
class Ballots:
    """Of some pages, in their order."""

    candidates: torch.Tensor  # (C,) items
    # Of each page (D, C) float16: what is added to a candidate's score, -inf where it may not come.
    added: tuple[torch.Tensor, ...]
    # Of each page (D,): which candidate was decided for; -1: none of them.
    decided: tuple[torch.Tensor, ...]

    @classmethod
    def of(
        cls,
        pages: Sequence[DecidedPage],
        between: Callable[[DecidedPage], Iterable[Open]],
        *,
        rows: int,
        items: int,
        titles: int,
    ) -> "Ballots":
        """``rows`` and ``items`` are R and R + E, ``titles`` the most titles that are told."""
        counts = np.bincount(np.concatenate([page.items for page in pages]), minlength=items)
        counts[:rows] = 0
        often = np.argsort(-counts, kind="stable")[: min(titles, int((counts > 0).sum()))]
        candidates = np.concatenate([np.arange(rows), np.sort(often)])
        place = np.full(items, -1, np.int64)
        place[candidates] = np.arange(len(candidates))
        added = []
        for page in pages:
            table = np.full((len(page.first), len(candidates)), -np.inf, np.float16)
            for line, choice in zip(table, between(page), strict=True):
                there = place[choice.items]
                line[there[there >= 0]] = choice.added[there >= 0]
            added.append(torch.from_numpy(table))
        return cls(
            torch.from_numpy(candidates),
            tuple(added),
            tuple(torch.from_numpy(place[page.decided]) for page in pages),
        )
