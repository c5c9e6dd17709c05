"""A PyTorch checkpoint as a next-item scorer.

Titles that the checkpoint never saw take part as they do in serving: on both sides their
embeddings are their kind's fallback fused with their own content.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from evaluation.scorer import Scores
from genpage.catalog import Catalog
from model.checkpoint import Checkpoint
from model.packing import Packing
from tokenizer.content import content_encoder
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import IntArray


class CheckpointScorer:
    """`evaluation.scorer.NextItemScorer` of a checkpoint over a catalog. E entities, d width."""

    def __init__(self, checkpoint: Checkpoint, catalog: Catalog) -> None:
        covering = covered(checkpoint, catalog)
        self.catalog = catalog
        self.encoder = PromptEncoder(covering.vocabulary, history_tokens=checkpoint.history_tokens)
        self._network = covering.network()
        _, entities = covering.vocabulary.item_tokens(catalog)
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


def covered(checkpoint: Checkpoint, catalog: Catalog) -> Checkpoint:
    """The checkpoint with a token for everything in ``catalog``; new ones as their fallback."""
    old = checkpoint.vocabulary
    vocabulary = old.grown(catalog)
    if vocabulary is old:
        return checkpoint
    fallbacks = torch.from_numpy(vocabulary.fallbacks()[old.size :]).long()
    weights = dict(checkpoint.weights)
    for name in ("inputs.ids", "outputs.ids"):
        weights[name] = torch.cat([weights[name], weights[name][fallbacks]])
    fresh = torch.zeros(len(fallbacks), checkpoint.content.shape[1])
    new = [entity for entity in catalog.entities if not old.is_known_entity(entity.id)]
    vectors = content_encoder(checkpoint.encoder).encode(new)
    places = [vocabulary.entity(entity.id) - old.size for entity in new]
    fresh[places] = torch.from_numpy(vectors)
    content = torch.cat([checkpoint.content, fresh])
    return replace(checkpoint, vocabulary=vocabulary, weights=weights, content=content)
