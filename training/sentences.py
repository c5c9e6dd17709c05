"""The content encoder that a pretrained model of language lends its words to.

TF-IDF and SVD know words by the company they keep in one catalog; a small one says little of them.
A pretrained model knows "detective" and "sleuth" alike before any title does. Each term's vector is
the model's own; a text's is their mean by TF-IDF weights, what Arora et al. 2017 ("A simple but
tough-to-beat baseline for sentence embeddings") do with word vectors. It is exported as the terms'
vectors, so a bundle embeds a new title as it does with SVD's, without the model.

Any function of texts will do. `packaged` is that of wordllama, whose wheel carries its weights: a
machine without a network trains with it. It is an option: ``pip install genpage[sentences]``.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genpage.entity import Entity
from genpage.errors import InputError, UsageError
from tokenizer.content import FEATURES, WIDTH_UNIT, TextContentEncoder
from training.content import CONTENT_DIM, MAX_TERMS, fit_terms, text_encoder

# Vectors of texts: (n, width) float32.
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def fit_sentence_encoder(
    entities: Sequence[Entity],
    embed: Embed,
    *,
    dim: int = CONTENT_DIM,
    max_terms: int = MAX_TERMS,
) -> TextContentEncoder:
    """The catalog's terms with the vectors that ``embed`` gives their words.

    ``dim`` counts the features too, as of `training.content.fit_text_encoder`; the vectors are cut
    to the directions that vary most among the terms (PCA).
    """
    if dim % WIDTH_UNIT or dim <= FEATURES:
        raise InputError(f"content_dim {dim} must be a multiple of 64 and above {FEATURES}")
    vectorizer, _ = fit_terms(entities, max_terms=max_terms)
    names = vectorizer.get_feature_names_out()
    vectors = np.asarray(embed([_words(name) for name in names]), np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths > 0, lengths, 1.0)
    # What all words have in common tells no two texts apart.
    vectors -= vectors.mean(axis=0)
    components = np.zeros((len(names), dim - FEATURES), np.float32)
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    kept = directions[: dim - FEATURES]
    components[:, : len(kept)] = vectors @ kept.T
    return text_encoder(tuple(names), vectorizer.idf_.astype(np.float32), components, entities)


def packaged() -> Embed:
    """Static vectors of 256 numbers, by the weights in wordllama's wheel; no network is used."""
    try:
        package = import_module("wordllama")
        # It looks for its own tokenizer in a cache that nothing has filled, else on the network.
        own = Path(package.__file__ or "").parent
        model = package.WordLlama.load(cache_dir=own, disable_download=True)
    except ImportError as error:
        raise UsageError(
            "--content sentences needs the package wordllama: pip install genpage[sentences]"
        ) from error

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(model.embed(list(texts)), np.float32)

    return embed


def _words(term: str) -> str:
    """A term as a person writes it: ``cast:ann_actor`` is "ann actor"."""
    return term.rpartition(":")[2].replace("_", " ")
