"""Where training begins: a fresh network over the data's catalog, or an earlier checkpoint's."""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from genpage.catalog import Catalog
from genpage.errors import CheckpointError, UsageError
from genpage.rules import Rules
from genpage.sources import EVERYTHING, Sources
from genpage.trends import Trends
from model.checkpoint import Checkpoint, Lineage
from model.config import ModelConfig, Size
from model.covering import covering
from model.network import Network
from tokenizer.content import ContentEncoder, content_encoder
from tokenizer.vocabulary import Vocabulary
from training.content import fit_content_encoder, fit_text_encoder, fit_vector_encoder
from training.sentences import fit_sentence_encoder, packaged

# How a title's content becomes a vector; None: the team's vectors where most titles have one.
Content = Literal["text", "sentences", "vectors"]
HISTORY_TOKENS = 512
HISTORY_LEAST, HISTORY_MOST = 128, 4096
# Titles of a row that commands put into a new model's sequence. `docs/studies/short-rows.md`: pages
# are not told apart from those of whole rows by what they are worth, and take a quarter of the
# tokens.
SERIALISED = 4


def fresh_checkpoint(
    catalog: Catalog,
    size: Size,
    *,
    rules: Rules,
    seed: int,
    history_tokens: int = HISTORY_TOKENS,
    sources: Sources = EVERYTHING,
    serialised: int | None = None,
    content_by: Content | None = None,
) -> Checkpoint:
    """Random weights over a catalog, its content encoder fitted to it."""
    encoder = fitted_encoder(catalog, content_by)
    vocabulary = Vocabulary().grown(catalog)
    content = content_table(vocabulary, catalog, encoder)
    config = ModelConfig.of_size(size)
    network = Network(config, vocabulary.size, content)
    network.initialise(seed)
    return Checkpoint(
        config=config,
        weights=network.state_dict(),
        content=content,
        vocabulary=vocabulary,
        catalog=catalog,
        encoder=encoder.to_arrays(),
        rules=rules,
        trends=Trends.none(catalog),
        lineage=Lineage.fresh(size, random=True),
        history_tokens=history_tokens,
        sources=sources,
        serialised=serialised,
    )


def fitted_encoder(catalog: Catalog, content_by: Content | None) -> ContentEncoder:
    """The catalog's content encoder, of the kind that was asked for."""
    if content_by == "text":
        return fit_text_encoder(catalog.entities)
    if content_by == "sentences":
        return fit_sentence_encoder(catalog.entities, packaged())
    if content_by == "vectors":
        return fit_vector_encoder(catalog.entities)
    return fit_content_encoder(catalog.entities)


def check_content(content_by: Content | None) -> None:
    """Refuse a ``--content`` of a run that goes on: the parent's encoder is a part of it."""
    if content_by is not None:
        raise UsageError(
            f"--content {content_by} is chosen once, for a fresh model: the checkpoint that --from "
            "names was trained with its own; leave the flag out."
        )


def continued_checkpoint(parent: Checkpoint, catalog: Catalog) -> Checkpoint:
    """The parent over a newer catalog: new tokens start from their type's fallback.

    Known tokens keep their IDs' embeddings; a title's content follows its document.
    """
    check_lineage(parent, catalog)
    over = covering(parent, catalog)
    content = over.content.clone()
    if catalog.entities:
        # Titles that left the catalog keep what is known of them.
        tokens = torch.from_numpy(over.vocabulary.item_tokens(catalog)[1]).long()
        encoder = content_encoder(parent.encoder)
        content[tokens] = torch.from_numpy(encoder.encode(catalog.entities))
    # A checkpoint of an earlier version has shorter rotary tables; they hold no weights.
    positions = max(parent.config.positions, ModelConfig.of_size("tiny").positions)
    return replace(
        over,
        config=replace(parent.config, positions=positions),
        content=content,
        catalog=catalog,
        trends=Trends.none(catalog),
        extra={},
    )


def check_lineage(parent: Checkpoint, catalog: Catalog) -> None:
    """Refuse a parent that was trained on another service: it knows none of the titles."""
    known = parent.vocabulary.is_known_entity
    if catalog.entities and not any(known(entity.id) for entity in catalog.entities):
        raise CheckpointError(
            f"the checkpoint of version {parent.lineage.version} knows none of the catalog's "
            f"{len(catalog.entities)} titles: its vocabulary is of another lineage. Go on from one "
            "that was trained on this service, or train a fresh one without --from."
        )


def content_table(
    vocabulary: Vocabulary, catalog: Catalog, encoder: ContentEncoder
) -> torch.Tensor:
    """Content vectors by token, zeros for whatever is no entity of the catalog."""  # (V, C)
    table = np.zeros((vocabulary.size, encoder.dim), np.float32)
    if catalog.entities:
        table[vocabulary.item_tokens(catalog)[1]] = encoder.encode(catalog.entities)
    return torch.from_numpy(table)


def check_size(parent: Checkpoint, size: Size | None) -> None:
    """Refuse a ``--size`` that the parent does not have."""
    if size is not None and ModelConfig.of_size(size).width != parent.config.width:
        raise UsageError(
            f"--size {size} differs from the checkpoint that --from names; grow it first: "
            f"genpage init --size {size} --grow-from CKPT --out LARGER"
        )


def check_history(parent: Checkpoint, asked: int | None) -> None:
    """Refuse a ``--history-tokens`` that the parent was not trained with."""
    if asked is not None and asked != parent.history_tokens:
        raise UsageError(
            f"--history-tokens {asked} differs from the {parent.history_tokens} of the checkpoint "
            "that --from names, and a run that goes on keeps them; leave the flag out."
        )


def check_sources(parent: Checkpoint, asked: Sources | None) -> None:
    """Refuse ``--without`` where the parent reads other sources."""
    if asked is not None and asked != parent.sources:
        raise UsageError(
            f"--without {','.join(asked.off)} differs from the checkpoint that --from names, which "
            f"is without {','.join(parent.sources.off) or 'none'}; leave the flag out."
        )


def asked_serialised(asked: int | None, *, fresh: bool) -> int | None:
    """What ``--serialised`` comes to: of a fresh model how many titles, None for all of them.

    Of one that goes on it is what `check_serialised` is to compare.
    """
    if not fresh:
        return asked
    return SERIALISED if asked is None else asked or None


def check_serialised(parent: Checkpoint, asked: int | None) -> None:
    """Refuse a ``--serialised`` that the parent was not trained with; 0 are all."""
    if asked is not None and (asked or None) != parent.serialised:
        raise UsageError(
            f"--serialised {asked} differs from the checkpoint that --from names, which has "
            f"{'all' if parent.serialised is None else parent.serialised} entities of a row in its "
            "sequence; leave the flag out."
        )


def bounded_history(asked: int | None) -> int:
    """How much history a fresh model's prompts hold; `UsageError` out of bounds."""
    chosen = HISTORY_TOKENS if asked is None else asked
    if not HISTORY_LEAST <= chosen <= HISTORY_MOST:
        raise UsageError(
            f"--history-tokens must be from {HISTORY_LEAST} to {HISTORY_MOST}, not {chosen}: a "
            "page must still fit behind the prompt, in the model's positions and a server's slots."
        )
    return chosen
