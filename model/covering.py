"""A checkpoint over a newer catalog: what is new takes part as it does in serving."""

from dataclasses import replace

import torch

from genpage.catalog import Catalog
from model.checkpoint import Checkpoint
from tokenizer.content import content_encoder


def covering(checkpoint: Checkpoint, catalog: Catalog) -> Checkpoint:
    """The checkpoint with a token for everything in ``catalog``; itself where nothing is new.

    A new token wears its kind's fallback ID, and a new title its own content. Everything known
    stays as it is, and so do the checkpoint's catalog and trends.
    """
    old = checkpoint.vocabulary
    vocabulary = old.grown(catalog)
    if vocabulary is old:
        return checkpoint
    fallbacks = torch.from_numpy(vocabulary.fallbacks()[old.size :]).long()
    weights = dict(checkpoint.weights)
    for name in ("inputs.ids", "outputs.ids"):
        weights[name] = torch.cat([weights[name], weights[name][fallbacks]])
    # Nothing is known of a new title by itself.
    quality = weights["appeal.quality"]
    weights["appeal.quality"] = torch.cat([quality, quality.new_zeros(len(fallbacks))])
    fresh = torch.zeros(len(fallbacks), checkpoint.content.shape[1])
    new = [entity for entity in catalog.entities if not old.is_known_entity(entity.id)]
    places = [vocabulary.entity(entity.id) - old.size for entity in new]
    if new:
        fresh[places] = torch.from_numpy(content_encoder(checkpoint.encoder).encode(new))
    content = torch.cat([checkpoint.content, fresh])
    return replace(checkpoint, vocabulary=vocabulary, weights=weights, content=content)
