"""What members were shown and saw: titles with their signs, and what came of each.

Shape legend: n seen titles, P pages, S signs, W wishes, C content dimensions, F crowds.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray

from tokenizer.crowd import CROWDS, FloatArray, crowding
from tokenizer.vocabulary import IntArray
from training.examples import ExampleBuilder
from training.pages import Pages

if TYPE_CHECKING:
    from tokenizer.signs import Signs


@dataclass(frozen=True, slots=True, eq=False)
class SeenTitles:
    """The seen titles of pages, page after page in the order of time."""

    signs: torch.Tensor  # (n, S)
    page: torch.Tensor  # (n,) ascending
    entity: torch.Tensor  # (n,) by catalog index
    reward: torch.Tensor  # (n,) times the chance that it was seen
    wishes: torch.Tensor  # (P, W, C)
    asked: torch.Tensor  # (P, ASKED)
    crowd: torch.Tensor  # (n, F) by all that stood above, seen or not

    def __len__(self) -> int:
        return len(self.page)

    @classmethod
    def of(
        cls,
        builder: ExampleBuilder,
        pages: Pages,
        places: IntArray,
        content: FloatArray,
        most: int,
    ) -> Self | None:
        """Of the newest ``most`` of the builder's pages; None where nobody saw anything.

        ``places`` (V,) tell a token's place in the catalog, -1 for what has none; ``content``
        (E, C) is the catalog's.
        """
        newest = np.argsort(pages.ts, kind="stable")[-most:]
        told: list[Signs] = []
        entities, rewards, crowds = [], [], []
        for page in newest.tolist():
            shown = pages.tokens_of(page)
            entity = places[pages.tokens[shown]].astype(np.int64)
            reward = pages.weights[shown]
            seen = ~pages.is_row[shown] & (entity >= 0) & (reward != 0)
            signs = builder.signs(page, entity[seen]) if seen.any() else None
            if signs is not None:
                told.append(signs)
                crowds.append(_crowds(pages.is_row[shown], entity, content)[seen])
                entities.append(entity[seen])
                rewards.append(reward[seen])
        if not told:
            return None
        sizes = [len(each) for each in entities]
        return cls(
            signs=torch.from_numpy(np.concatenate([each.titles.T for each in told])),
            page=torch.from_numpy(np.repeat(np.arange(len(told)), sizes)),
            entity=torch.from_numpy(np.concatenate(entities)),
            reward=torch.from_numpy(np.concatenate(rewards)),
            wishes=torch.from_numpy(np.stack([each.wishes for each in told])),
            asked=torch.from_numpy(np.stack([each.asked for each in told])),
            crowd=torch.from_numpy(np.concatenate(crowds)),
        )


def _crowds(
    is_row: NDArray[np.bool_], entity: NDArray[np.int64], content: FloatArray
) -> FloatArray:
    """(n, F) of a page's n tokens; 0 for rows, and nothing is like what left the catalog."""
    there = ~is_row & (entity >= 0)
    found = np.zeros((len(entity), CROWDS), np.float32)
    opened = np.maximum.accumulate(np.where(is_row, np.arange(len(entity)), 0))
    column = np.arange(len(entity)) - opened - 1
    found[there] = crowding(content[entity[there]], column[there])
    return found
