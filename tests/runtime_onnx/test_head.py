"""The head: right scores, the same bits for a position alone or among others."""

from random import Random
from weakref import ref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genpage.errors import BundleError
from runtime.arrays import FloatArray, IntArray
from runtime.head import MOST_DELTAS, CatalogHead
from runtime.manifest import EXACT_PRECISIONS, Precision
from runtime.sessions import SessionSettings

ITEMS, WIDTH = 771, 128  # an odd number of items: vectorised tails count too
FEW: IntArray = np.arange(100, dtype=np.int32)


@pytest.fixture(scope="module")
def vectors() -> FloatArray:
    """Output vectors (ITEMS, WIDTH)."""
    return np.random.default_rng(0).standard_normal((ITEMS, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def hidden() -> FloatArray:
    """Hidden states (40, WIDTH)."""
    return np.random.default_rng(1).standard_normal((40, WIDTH)).astype(np.float32)


def packed(vectors: FloatArray, precision: Precision, session: SessionSettings) -> CatalogHead:
    """A head of all vectors; their places are their tokens."""
    return head_of(np.arange(len(vectors), dtype=np.int32), vectors, precision, session)


def head_of(
    tokens: IntArray,
    vectors: FloatArray,
    precision: Precision,
    session: SessionSettings,
    before: CatalogHead | None = None,
) -> CatalogHead:
    """A head of some of them."""
    return CatalogHead(tokens, lambda some: vectors[some], precision, session, before=before)


def sizes(head: CatalogHead) -> list[int]:
    """How many items its packs hold."""
    return [part.pack.items for part in head.parts]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("int8", 1.0)])
def test_scores_are_dot_products(
    vectors: FloatArray, hidden: FloatArray, precision: Precision, tolerance: float
) -> None:
    """Within rounding; the scores' spread is about 11."""
    scores = packed(vectors, precision, SessionSettings(1)).scores(hidden)
    assert scores.shape == (40, ITEMS)
    np.testing.assert_allclose(scores, hidden @ vectors.T, rtol=0, atol=tolerance)


@pytest.mark.parametrize("precision", EXACT_PRECISIONS)
def test_a_position_is_scored_alike_in_any_company(
    vectors: FloatArray, hidden: FloatArray, precision: Precision
) -> None:
    """Alone, among others, with one thread or two."""
    head = packed(vectors, precision, SessionSettings(1))
    together = head.scores(hidden)
    for count in (1, 2, 3, 5, 8, 21):
        for start in (0, 7, 19):
            part = slice(start, start + count)
            np.testing.assert_array_equal(head.scores(hidden[part]), together[part])
    two = packed(vectors, precision, SessionSettings(2))
    np.testing.assert_array_equal(two.scores(hidden), together)


@pytest.mark.parametrize("precision", EXACT_PRECISIONS)
def test_an_items_score_does_not_depend_on_the_catalog(
    vectors: FloatArray, hidden: FloatArray, precision: Precision
) -> None:
    """In a smaller snapshot the same title has the same score."""
    session = SessionSettings(1)
    large = packed(vectors, precision, session).scores(hidden)
    small = packed(vectors[100:333], precision, session).scores(hidden)
    np.testing.assert_array_equal(small, large[:, 100:333])


def test_zeros_score_zero(vectors: FloatArray) -> None:
    """A hidden state or a vector without length divides by nothing."""
    vectors = vectors.copy()
    vectors[5] = 0.0
    head = packed(vectors, "int8", SessionSettings(1))
    assert not head.scores(np.zeros((1, WIDTH), np.float32)).any()
    assert head.scores(np.ones((2, WIDTH), np.float32))[0, 5] == 0.0


def test_an_empty_catalog_is_refused() -> None:
    """There is nothing to score, and that is said."""
    with pytest.raises(BundleError, match="the catalog is empty"):
        packed(np.zeros((0, WIDTH), np.float32), "fp32", SessionSettings(1))


@pytest.mark.parametrize("precision", EXACT_PRECISIONS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_titles_in_any_company_score_the_same_bits(
    vectors: FloatArray, hidden: FloatArray, precision: Precision, seed: int
) -> None:
    """Any subset, in any order, of any size, for any number of positions and threads."""
    chance = Random(seed)
    tokens = np.array(chance.sample(range(ITEMS), chance.randint(1, ITEMS)), np.int32)
    session = SessionSettings(chance.randint(1, 2))
    count = chance.randint(1, 21)
    whole = packed(vectors, precision, SessionSettings(1)).scores(hidden[:count])
    some = head_of(tokens, vectors, precision, session).scores(hidden[:count])
    np.testing.assert_array_equal(some, whole[:, tokens])


@pytest.mark.parametrize("precision", EXACT_PRECISIONS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_snapshot_that_follows_scores_as_one_packed_anew(
    vectors: FloatArray, hidden: FloatArray, precision: Precision, seed: int
) -> None:
    """Titles come, go and change places, a few or many at a time, snapshot after snapshot."""
    chance, session = Random(seed), SessionSettings(1)
    tokens = np.arange(500, dtype=np.int32)
    head = head_of(tokens, vectors, precision, session)
    for _ in range(4):
        kept = [each for each in tokens.tolist() if chance.random() < chance.choice((0.5, 0.99))]
        absent = sorted(set(range(ITEMS)) - set(kept))
        came = chance.sample(absent, min(len(absent), chance.choice((0, 1, 5, 60))))
        tokens = np.array(kept + came, np.int32)
        if chance.random() < 0.3:
            chance.shuffle(tokens)  # type: ignore[arg-type]
        head = head_of(tokens, vectors, precision, session, head)
        anew = head_of(tokens, vectors, precision, session)
        np.testing.assert_array_equal(head.scores(hidden[:3]), anew.scores(hidden[:3]))


def test_newcomers_are_packed_alone(vectors: FloatArray) -> None:
    """A few titles more do not have a catalog packed again; many, or many times a few, do."""
    session = SessionSettings(1)
    first = head_of(np.arange(500, dtype=np.int32), vectors, "int8", session)
    second = head_of(np.arange(503, dtype=np.int32), vectors, "int8", session, first)
    assert second.parts[0] is first.parts[0]
    assert sizes(second) == [500, 3]
    assert sizes(head_of(FEW, vectors, "int8", session, second)) == [100]
    many = head_of(np.arange(700, dtype=np.int32), vectors, "int8", session, second)
    assert sizes(many) == [700]
    head = first
    for count in range(501, 501 + MOST_DELTAS):
        head = head_of(np.arange(count, dtype=np.int32), vectors, "int8", session, head)
        assert head.parts[0] is first.parts[0]
    head = head_of(np.arange(520, dtype=np.int32), vectors, "int8", session, head)
    assert sizes(head) == [520]


def test_a_large_catalog_is_packed_in_portions(
    vectors: FloatArray, hidden: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One graph cannot hold it."""
    whole = packed(vectors, "fp32", SessionSettings(1)).scores(hidden)
    monkeypatch.setattr("runtime.head.MOST_BYTES", 200 * WIDTH * 4)
    head = packed(vectors, "fp32", SessionSettings(1))
    assert sizes(head) == [200, 200, 200, 171]
    assert head.nbytes == ITEMS * WIDTH * 4
    np.testing.assert_array_equal(head.scores(hidden), whole)


@pytest.mark.parametrize("precision", EXACT_PRECISIONS)
def test_scores_are_gone_with_who_asked(
    vectors: FloatArray, hidden: FloatArray, precision: Precision
) -> None:
    """Of a large catalog they are megabytes; what is bound once and kept holds none of them."""
    head = packed(vectors, precision, SessionSettings(1))
    for count in (1, 2, 5, 40, 2):
        scores = head.scores(hidden[:count])
        held = ref(scores if scores.base is None else scores.base)
        del scores
        assert held() is None
