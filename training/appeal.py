"""The signs of a batch's pages, in the order of the candidates that its losses score.

Shape legend: P pages, E known entities (candidates), N entities of the catalog.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from genpage.catalog import Catalog
from model.appeal import AppealInputs, weights_of
from model.checkpoint import Checkpoint
from model.network import Network
from tokenizer.content import ContentEncoder, content_encoder
from tokenizer.signs import Signs, Titles
from tokenizer.vocabulary import Vocabulary
from training.candidates import Candidates


@dataclass(frozen=True, slots=True, eq=False)
class CandidateTitles:
    """The catalog's titles, and where each stands among the candidates.

    A candidate that left the catalog has signs of zeros.
    """

    titles: Titles
    place: torch.Tensor  # (N,)
    content: torch.Tensor  # (E, C)

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        vocabulary: Vocabulary,
        candidates: Candidates,
        encoder: ContentEncoder,
    ) -> Self:
        """Encodes every title."""
        titles = Titles.of(catalog, encoder)
        _, tokens = vocabulary.item_tokens(catalog)
        device = candidates.place.device
        place = candidates.place[torch.from_numpy(tokens.astype(np.int64)).to(device)]
        content = torch.zeros(len(candidates.entities), titles.content.shape[1], device=device)
        content[place] = torch.from_numpy(titles.content).to(device)
        return cls(titles, place, content)

    @classmethod
    def learnt(cls, network: Network, start: Checkpoint, candidates: Candidates) -> Self | None:
        """Of a network that learnt an appeal: what is rehearsed is rehearsed as it was learnt."""
        if weights_of(network.state_dict()) is None:
            return None
        encoder = content_encoder(start.encoder)
        return cls.of(start.catalog, start.vocabulary, candidates, encoder)

    def inputs(self, signs: Sequence[Signs]) -> AppealInputs:
        """Of these pages."""
        device = self.place.device
        held = torch.from_numpy(np.stack([each.titles for each in signs])).to(device)
        titles = held.new_zeros(*held.shape[:2], len(self.content))  # (P, S, E)
        titles[:, :, self.place] = held
        return AppealInputs(
            titles,
            torch.from_numpy(np.stack([each.wishes for each in signs])).to(device),
            torch.from_numpy(np.stack([each.asked for each in signs])).to(device),
            self.content,
        )
