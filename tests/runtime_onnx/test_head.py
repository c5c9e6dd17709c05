"""The head: right scores, the same bits for a position alone or among others."""

import numpy as np
import pytest

from genpage.errors import BundleError
from runtime.arrays import FloatArray
from runtime.head import CatalogHead
from runtime.manifest import PRECISIONS, Precision
from runtime.sessions import SessionSettings

ITEMS, WIDTH = 771, 128  # an odd number of items: vectorised tails count too


@pytest.fixture(scope="module")
def vectors() -> FloatArray:
    """Output vectors (ITEMS, WIDTH)."""
    return np.random.default_rng(0).standard_normal((ITEMS, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def hidden() -> FloatArray:
    """Hidden states (40, WIDTH)."""
    return np.random.default_rng(1).standard_normal((40, WIDTH)).astype(np.float32)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("int8", 1.0)])
def test_scores_are_dot_products(
    vectors: FloatArray, hidden: FloatArray, precision: Precision, tolerance: float
) -> None:
    """Within rounding; the scores' spread is about 11."""
    scores = CatalogHead(vectors, precision, SessionSettings(1)).scores(hidden)
    assert scores.shape == (40, ITEMS)
    np.testing.assert_allclose(scores, hidden @ vectors.T, rtol=0, atol=tolerance)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_position_is_scored_alike_in_any_company(
    vectors: FloatArray, hidden: FloatArray, precision: Precision
) -> None:
    """Alone, among others, with one thread or two."""
    head = CatalogHead(vectors, precision, SessionSettings(1))
    together = head.scores(hidden)
    for count in (1, 2, 3, 5, 8, 21):
        for start in (0, 7, 19):
            part = slice(start, start + count)
            np.testing.assert_array_equal(head.scores(hidden[part]), together[part])
    two = CatalogHead(vectors, precision, SessionSettings(2))
    np.testing.assert_array_equal(two.scores(hidden), together)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_items_score_does_not_depend_on_the_catalog(
    vectors: FloatArray, hidden: FloatArray, precision: Precision
) -> None:
    """In a smaller snapshot the same title has the same score."""
    settings = SessionSettings(1)
    large = CatalogHead(vectors, precision, settings).scores(hidden)
    small = CatalogHead(vectors[100:333], precision, settings).scores(hidden)
    np.testing.assert_array_equal(small, large[:, 100:333])


def test_zeros_score_zero(vectors: FloatArray) -> None:
    """A hidden state or a vector without length divides by nothing."""
    vectors = vectors.copy()
    vectors[5] = 0.0
    head = CatalogHead(vectors, "int8", SessionSettings(1))
    assert not head.scores(np.zeros((1, WIDTH), np.float32)).any()
    assert head.scores(np.ones((2, WIDTH), np.float32))[0, 5] == 0.0


def test_an_empty_catalog_is_refused() -> None:
    """There is nothing to score, and that is said."""
    with pytest.raises(BundleError, match="the catalog is empty"):
        CatalogHead(np.zeros((0, WIDTH), np.float32), "fp32", SessionSettings(1))
