"""A checkpoint's appeal over a catalog, as serving computes it."""

from genpage.catalog import Catalog
from model.appeal import weights_of
from model.checkpoint import Checkpoint
from tokenizer.appeal import Appeal
from tokenizer.content import content_encoder


def appeal_over(checkpoint: Checkpoint, catalog: Catalog) -> Appeal | None:
    """None where the checkpoint learnt none. It must cover the catalog (`model.covering`)."""
    weights = weights_of(checkpoint.weights)
    if weights is None:
        return None
    _, entities = checkpoint.vocabulary.item_tokens(catalog)
    encoder = content_encoder(checkpoint.encoder)
    return Appeal.over(weights, catalog, encoder, entities, checkpoint.sources)
