"""What members were shown and saw: titles with their signs, and what came of each.

Shape legend: n seen titles, P pages, S signs, W wishes, C content dimensions.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

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

    def __len__(self) -> int:
        return len(self.page)

    @classmethod
    def of(cls, builder: ExampleBuilder, pages: Pages, places: IntArray, most: int) -> Self | None:
        """Of the newest ``most`` of the builder's pages; None where nobody saw anything.

        ``places`` (V,) tell a token's place in the catalog, -1 for what has none.
        """
        newest = np.argsort(pages.ts, kind="stable")[-most:]
        told: list[Signs] = []
        entities, rewards = [], []
        for page in newest.tolist():
            shown = pages.tokens_of(page)
            entity = places[pages.tokens[shown]].astype(np.int64)
            reward = pages.weights[shown]
            seen = ~pages.is_row[shown] & (entity >= 0) & (reward != 0)
            signs = builder.signs(page, entity[seen]) if seen.any() else None
            if signs is not None:
                told.append(signs)
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
        )
