"""A checkpoint's appeal over a catalog, as serving computes it."""

import numpy as np
import torch

from genpage.catalog import Catalog
from model.appeal import weights_of
from model.checkpoint import Checkpoint
from model.network import Network
from tokenizer.appeal import Appeal
from tokenizer.content import content_encoder


def appeal_over(checkpoint: Checkpoint, catalog: Catalog) -> Appeal | None:
    """None where the checkpoint learnt none. It must cover the catalog (`model.covering`)."""
    weights = weights_of(checkpoint.weights)
    if weights is None:
        return None
    _, entities = checkpoint.vocabulary.item_tokens(catalog)
    outputs = output_vectors(checkpoint.network(), entities)
    encoder = content_encoder(checkpoint.encoder)
    return Appeal.over(weights, catalog, encoder, outputs, checkpoint.sources)


@torch.inference_mode()
def output_vectors(network: Network, tokens: np.ndarray) -> np.ndarray:
    """(n, d) float32 of tokens (n,)."""
    held = torch.from_numpy(np.asarray(tokens, np.int64)).to(network.content.device)
    found: np.ndarray = network.outputs.rows(held, network.content).float().cpu().numpy()
    return found
