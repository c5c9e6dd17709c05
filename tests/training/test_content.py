"""The content encoder: NumPy inference is scikit-learn's twin."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.errors import CheckpointError, InputError, UsageError
from tokenizer.content import (
    FEATURES,
    GENRE_SLOTS,
    TextContentEncoder,
    VectorContentEncoder,
    content_encoder,
    terms,
)
from training.content import fit_content_encoder, fit_text, fit_text_encoder
from training.sentences import fit_sentence_encoder, packaged
from training.start import check_content, fitted_encoder

WORDS = ("harbour", "lantern", "winter", "engine", "garden", "silence", "orbit", "river", "oak")


def titles(count: int, seed: int = 0) -> list[Entity]:
    """Made-up films of seeded words."""
    generator = np.random.default_rng(seed)
    return [
        Entity(
            id=f"e{n}",
            kind="film",
            title=" ".join(generator.choice(WORDS, 2)),
            synopsis=" ".join(generator.choice(WORDS, 30)) + f" unique{n % 17}",
            cast=(f"Ann Actor {n % 7}",),
            genres=("Drama",) if n % 2 else ("Comedy", "Crime"),
            year=1950 + n % 60,
            languages=("en",),
        )
        for n in range(count)
    ]


def test_twin_of_scikit_learn() -> None:
    """The arrays give what the fitted vectorizer and SVD give, to 1e-5, on unseen titles too."""
    known = titles(150)
    encoder = fit_text_encoder(known, seed=3)
    vectorizer, svd = fit_text(known, 128 - FEATURES, max_terms=16_384, seed=3)
    seen = known + titles(40, seed=9)
    expected = normalize(svd.transform(vectorizer.transform(seen)))
    width = expected.shape[1]
    assert width > 20
    text = np.stack([encoder.text(entity) for entity in seen])
    assert np.allclose(text[:, :width], expected, atol=1e-5)
    assert not text[:, width:].any()


def test_vectors_have_unit_length() -> None:
    """Text, and features at half its weight, of unit length together."""
    known = titles(30)
    encoder = fit_text_encoder(known)
    vectors = encoder.encode(known)
    assert vectors.shape == (30, encoder.dim) == (30, 128)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    whole = np.concatenate([encoder.text(known[3]), 0.5 * encoder.features(known[3])])
    # Text 1, and four groups of 1 / 2: of length root 2.
    assert np.allclose(vectors[3], whole / np.sqrt(2.0))


def test_a_vector_does_not_depend_on_the_others() -> None:
    """A title encoded alone has the same bits as among others."""
    known = titles(30)
    encoder = fit_text_encoder(known)
    together = encoder.encode(known)
    assert all(
        np.array_equal(encoder.encode([entity])[0], row)
        for entity, row in zip(known, together, strict=True)
    )


def test_features_by_hand() -> None:
    """Genres, kind, year and languages stand in their slots, each group of unit length."""
    encoder = replace(fit_text_encoder(titles(30)), years=np.array([1950, 2000], np.float32))
    assert encoder.genres == ("Comedy", "Crime", "Drama")
    entity = Entity("x", "show", "X", genres=("Crime", "Comedy", "Odd"), year=1960)
    features = encoder.features(entity)
    assert np.allclose(features[:4], [np.sqrt(0.5), np.sqrt(0.5), 0, 0])
    after = features[GENRE_SLOTS:]
    assert list(after[:4]) == [1, 0, 0, 0]
    assert np.allclose(after[4:6], np.array([0.8, 0.2]) / np.hypot(0.8, 0.2))
    assert not after[6:].any()
    early = encoder.features(replace(entity, year=1900))[GENRE_SLOTS + 4 :]
    assert list(early[:2]) == [1, 0]


def test_terms_by_hand() -> None:
    """Accents and case are dropped, title words counted twice, a name is one term."""
    entity = Entity("x", "film", "Amélie", "The PIANO.", cast=("Audrey Tautou",))
    assert terms(entity) == ["amelie", "title:amelie", "the", "piano", "cast:audrey_tautou"]


def test_arrays_round_trip() -> None:
    """Written as arrays and read back, both encoders give the same vectors."""
    known = titles(20)
    text = fit_text_encoder(known)
    arrays = text.to_arrays()
    assert all(array.dtype.kind in "uif" for array in arrays.values())
    again = content_encoder(arrays)
    assert isinstance(again, TextContentEncoder)
    assert np.array_equal(again.encode(known), text.encode(known))
    vector = VectorContentEncoder(70)
    assert content_encoder(vector.to_arrays()) == vector


def test_a_textless_title_is_told_by_its_features() -> None:
    """Nothing but unknown words gives a zero text part, never NaN."""
    encoder = fit_text_encoder(titles(20))
    vector = encoder.encode([Entity("x", "live", "zzz")])[0]
    assert np.isfinite(vector).all()
    assert np.flatnonzero(vector).tolist() == [128 - FEATURES + GENRE_SLOTS + 3]


def test_the_vocabulary_is_bounded() -> None:
    """No more terms than asked for."""
    assert len(fit_text_encoder(titles(50), max_terms=9).terms) == 9


def test_tiny_catalogs_fit() -> None:
    """One title, or two alike, are enough."""
    for count in (1, 2):
        assert fit_text_encoder(titles(count), dim=64).encode(titles(count)).shape == (count, 64)


def test_own_vectors_are_used() -> None:
    """A catalog with vectors is told by them: unit length, padded, zero where missing."""
    known = [Entity(f"e{n}", "film", "", vector=(3.0, 4.0)) for n in range(3)]
    known.append(Entity("none", "film", ""))
    encoder = fit_content_encoder(known)
    assert encoder.dim == 64
    vectors = encoder.encode(known)
    assert np.allclose(vectors[0, :3], [0.6, 0.8, 0])
    assert not vectors[3].any()
    with pytest.raises(InputError, match="'odd' has a vector of 1"):
        encoder.encode([Entity("odd", "film", "", vector=(1.0,))])
    assert isinstance(fit_content_encoder(titles(10)), TextContentEncoder)


@pytest.mark.parametrize("dim", [32, 100])
def test_odd_widths_are_refused(dim: int) -> None:
    """The width is a multiple of 64 with room for text."""
    with pytest.raises(InputError, match="content_dim"):
        fit_text_encoder(titles(5), dim=dim)


def test_a_wordless_catalog_is_refused() -> None:
    """Nothing to fit on is said in words."""
    with pytest.raises(InputError, match="no words"):
        fit_text_encoder([Entity("a", "film", ""), Entity("b", "film", "")])


def test_foreign_arrays_are_refused() -> None:
    """Missing arrays, an unknown kind or lengths that differ are refused."""
    arrays = fit_text_encoder(titles(20)).to_arrays()
    with pytest.raises(CheckpointError, match="unreadable"):
        content_encoder({name: array for name, array in arrays.items() if name != "idf"})
    with pytest.raises(CheckpointError, match="unknown kind"):
        content_encoder({"kind": np.frombuffer(b"odd\n", np.uint8)})
    with pytest.raises(CheckpointError, match="differ in length"):
        content_encoder(arrays | {"idf": np.zeros(3, np.float32)})


# Words that mean alike, as a pretrained model knows before any catalog says so.
MEANINGS = {"detective": 0, "sleuth": 0, "spaceship": 1, "starship": 1, "wedding": 2, "bride": 2}


def meanings(texts: Sequence[str]) -> NDArray[np.float32]:
    """Stands for a pretrained model: a direction a meaning, another one for all else."""
    vectors = np.zeros((len(texts), 8), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        vector[MEANINGS.get(text, 3)] = 1.0
    return vectors


def told(name: str, word: str) -> Entity:
    """A film of one word."""
    return Entity(id=name, kind="film", title=word, synopsis=word)


def test_sentences_bring_titles_near_that_share_no_word() -> None:
    """A detective's film is near a sleuth's, by the arrays alone; by TF-IDF they share nothing."""
    catalog = [told(f"{word}{n}", word) for word in MEANINGS for n in range(2)]
    fitted = fit_sentence_encoder(catalog, meanings)
    assert fitted.dim == 128
    encoder = content_encoder(fitted.to_arrays())
    assert isinstance(encoder, TextContentEncoder)
    one, other, far = (encoder.text(told("x", w)) for w in ("detective", "sleuth", "bride"))
    assert one @ other == pytest.approx(1.0, abs=1e-4)
    assert one @ far < 0.1
    plain = fit_text_encoder(catalog)
    assert abs(plain.text(told("x", "detective")) @ plain.text(told("x", "sleuth"))) < 0.1


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(UsageError, match=r"genpage\[sentences\]"):
        packaged()


def test_the_packages_words_mean_something() -> None:
    """Where it is installed: a detective is nearer to a sleuth than to a wedding."""
    pytest.importorskip("wordllama")
    one, other, far = packaged()(["detective", "sleuth", "wedding"])
    assert one @ other > one @ far


def test_the_kind_of_content_is_chosen_once() -> None:
    """By name for a fresh model; a run that goes on keeps its parent's."""
    catalog = Catalog.build([replace(e, vector=(1.0, 2.0)) for e in titles(8)], [])
    assert isinstance(fitted_encoder(catalog, None), VectorContentEncoder)
    assert isinstance(fitted_encoder(catalog, "vectors"), VectorContentEncoder)
    assert isinstance(fitted_encoder(catalog, "text"), TextContentEncoder)
    with pytest.raises(InputError, match="no title has a vector"):
        fitted_encoder(Catalog.build(titles(8), []), "vectors")
    with pytest.raises(UsageError, match="chosen once"):
        check_content("text")
    check_content(None)
