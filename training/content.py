"""Fits the content encoder of a catalog with scikit-learn; `tokenizer.content` runs it."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from genpage.entity import Entity
from genpage.errors import InputError
from tokenizer.content import (
    FEATURES,
    GENRE_SLOTS,
    LANGUAGE_SLOTS,
    WIDTH_UNIT,
    YEAR_SLOTS,
    ContentEncoder,
    TextContentEncoder,
    VectorContentEncoder,
    terms,
)

CONTENT_DIM = 128
MAX_TERMS = 16_384
# A term in more than this share of the texts tells them apart too little to take a place.
COMMON = 0.5


def fit_content_encoder(entities: Sequence[Entity], *, dim: int = CONTENT_DIM) -> ContentEncoder:
    """The team's own vectors where most titles have one, else `fit_text_encoder`."""
    having = sum(entity.vector is not None for entity in entities)
    if having > len(entities) / 2:
        return fit_vector_encoder(entities)
    return fit_text_encoder(entities, dim=dim)


def fit_vector_encoder(entities: Sequence[Entity]) -> VectorContentEncoder:
    """The team's own vectors, of video or artwork say: ``vector`` in ``entities.parquet``."""
    widths = Counter(len(entity.vector) for entity in entities if entity.vector is not None)
    if not widths:
        raise InputError(
            "no title has a vector: entities.parquet needs a column vector, a list of numbers"
        )
    return VectorContentEncoder(widths.most_common(1)[0][0])


def fit_text_encoder(
    entities: Sequence[Entity],
    *,
    dim: int = CONTENT_DIM,
    max_terms: int = MAX_TERMS,
    seed: int = 0,
) -> TextContentEncoder:
    """TF-IDF with sublinear counts over the most frequent terms, then truncated SVD.

    ``dim`` counts the features too; it is a multiple of 64 above their number. A catalog with too
    few texts for as many components leaves the last ones zero.
    """
    if dim % WIDTH_UNIT or dim <= FEATURES:
        raise InputError(f"content_dim {dim} must be a multiple of 64 and above {FEATURES}")
    vectorizer, svd = fit_text(entities, dim - FEATURES, max_terms=max_terms, seed=seed)
    names = vectorizer.get_feature_names_out()
    components = np.zeros((len(names), dim - FEATURES), np.float32)
    components[:, : svd.components_.shape[0]] = svd.components_.T
    return text_encoder(tuple(names), vectorizer.idf_.astype(np.float32), components, entities)


def text_encoder(
    names: tuple[str, ...],
    idf: NDArray[np.float32],  # (T,)
    components: NDArray[np.float32],  # (T, K)
    entities: Sequence[Entity],
) -> TextContentEncoder:
    """Terms with their vectors, beside the features that the catalog has."""
    years = [entity.year for entity in entities if entity.year is not None]
    centres = np.quantile(years, np.linspace(0, 1, YEAR_SLOTS)) if years else np.zeros(0)
    return TextContentEncoder(
        terms=names,
        idf=idf,
        components=components,
        genres=_most_common((g for e in entities for g in e.genres), GENRE_SLOTS),
        languages=_most_common((name for e in entities for name in e.languages), LANGUAGE_SLOTS),
        years=np.unique(centres.astype(np.float32)),
    )


def fit_text(
    entities: Sequence[Entity], width: int, *, max_terms: int, seed: int
) -> tuple[TfidfVectorizer, TruncatedSVD]:
    """The two fitted scikit-learn parts; at most ``width`` components."""
    vectorizer, matrix = fit_terms(entities, max_terms=max_terms)
    rank = max(1, min(width, *matrix.shape))
    svd = TruncatedSVD(rank, algorithm="randomized", random_state=seed)
    # One text, or equal ones: the explained share, which nobody reads, is 0 / 0.
    with np.errstate(invalid="ignore"):
        return vectorizer, svd.fit(matrix)


def fit_terms(entities: Sequence[Entity], *, max_terms: int) -> tuple[TfidfVectorizer, csr_matrix]:
    """The most frequent terms that tell titles apart, and the titles' weights of them."""
    vectorizer = TfidfVectorizer(
        analyzer=terms,
        max_features=max_terms,
        max_df=COMMON if len(entities) > 1 else 1.0,
        sublinear_tf=True,
    )
    try:
        matrix = vectorizer.fit_transform(entities)  # (n, T)
    except ValueError as error:
        raise InputError(
            "the catalog's texts have no words to tell titles apart; give titles or vectors"
        ) from error
    return vectorizer, matrix


def _most_common(values: Iterable[str], count: int) -> tuple[str, ...]:
    return tuple(sorted(value for value, _ in Counter(values).most_common(count)))
