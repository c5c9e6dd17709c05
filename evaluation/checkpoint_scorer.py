"""A PyTorch checkpoint as a next-item scorer.

Titles that the checkpoint never saw take part as they do in serving: on both sides their
embeddings are their kind's fallback fused with their own content.
"""

from collections.abc import Sequence

import numpy as np
import torch

from evaluation.scorer import Scores
from genpage.catalog import Catalog
from model.checkpoint import Checkpoint
from model.covering import covering
from model.packing import Packing
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import IntArray


class CheckpointScorer:
    """`evaluation.scorer.NextItemScorer` of a checkpoint over a catalog. E entities, d width."""

    def __init__(self, checkpoint: Checkpoint, catalog: Catalog) -> None:
        over = covering(checkpoint, catalog)
        self.catalog = catalog
        self.encoder = PromptEncoder(over.vocabulary, history_tokens=checkpoint.history_tokens)
        self._network = over.network()
        _, entities = over.vocabulary.item_tokens(catalog)
        with torch.inference_mode():
            table = self._network.output_table()
            self._output = table[torch.from_numpy(entities).long()]  # (E, d)

    def scores(self, prompts: Sequence[IntArray]) -> Scores:
        """(n, E): the logits of all entities at each prompt's last token."""
        packing = Packing(tuple(len(prompt) for prompt in prompts))
        last = torch.tensor(packing.lengths).cumsum(0) - 1
        with torch.inference_mode():
            tokens = torch.from_numpy(np.concatenate(prompts).astype(np.int64))
            hidden = self._network.hidden(tokens, packing)[last]  # (n, d)
            scores: Scores = (hidden @ self._output.T).float().numpy()
        return scores
