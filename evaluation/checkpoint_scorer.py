"""A PyTorch checkpoint as a next-item scorer.

Titles that the checkpoint never saw take part as they do in serving: on both sides their
embeddings are their kind's fallback fused with their own content.
"""

from collections.abc import Sequence

import numpy as np
import torch

from evaluation.scorer import Question, Scores
from genpage.catalog import Catalog
from model.checkpoint import Checkpoint
from model.covering import covering
from model.heat import heat_of
from model.packing import Packing
from tokenizer.signals import places_of


class CheckpointScorer:
    """`evaluation.scorer.NextItemScorer` of a checkpoint over a catalog. E entities, d width."""

    def __init__(self, checkpoint: Checkpoint, catalog: Catalog) -> None:
        over = covering(checkpoint, catalog)
        self.catalog = catalog
        self.encoder = over.prompts
        self._network = over.network()
        self._signals = over.signals
        self._heat = heat_of(self._network)
        _, entities = over.vocabulary.item_tokens(catalog)
        self._places = places_of(entities, over.vocabulary.size)
        with torch.inference_mode():
            table = self._network.output_table()
            self._output = table[torch.from_numpy(entities).long()]  # (E, d)

    def scores(self, questions: Sequence[Question]) -> Scores:
        """(n, E): the logits of all entities."""
        signals = self._signals
        prompts = [each.tokens if signals is None else each.history for each in questions]
        packing = Packing(tuple(len(prompt) for prompt in prompts))
        last = torch.tensor(packing.lengths).cumsum(0) - 1
        with torch.inference_mode():
            tokens = torch.from_numpy(np.concatenate(prompts).astype(np.int64))
            hidden = self._network.hidden(tokens, packing)[last]  # (n, d)
            if signals is None:
                plain: Scores = (hidden @ self._output.T).float().numpy()
                return plain
            since = torch.tensor([each.since for each in questions])
            asked = self._network.asks(hidden, since)
            scores = asked @ self._output.T
            gates = self._network.signals(asked, since)  # (n, F)
            for score, gate, each in zip(scores, gates, questions, strict=True):
                values = signals.values(each.history, each.trends, self._places, self._heat)
                score.add_(gate @ torch.from_numpy(values))
            found: Scores = scores.float().numpy()
        return found
