"""Content vectors: what a title is, for the model's fusion and for titles that it never saw.

An encoder is plain arrays (`to_arrays`, `content_encoder`): it travels in checkpoints and bundles
without pickle, and serving encodes a new title with NumPy alone. ``training.content`` fits it.

Shape legend: n entities, T terms of the bounded vocabulary, K text components, D = dim.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from genpage.entity import ENTITY_KINDS, Entity
from genpage.errors import CheckpointError, InputError

Float32Array = NDArray[np.float32]
# Names to arrays of any type, as safetensors holds them.
Arrays = dict[str, NDArray[Any]]
WIDTH_UNIT = 64
GENRE_SLOTS, LANGUAGE_SLOTS, YEAR_SLOTS = 28, 8, 8
FEATURES = GENRE_SLOTS + LANGUAGE_SLOTS + YEAR_SLOTS + len(ENTITY_KINDS)
FEATURE_WEIGHT = np.float32(0.5)
_WORD = re.compile(r"[^\W_]+")


class ContentEncoder(Protocol):
    """Turns entities into content vectors; a row does not depend on the others in the call."""

    @property
    def dim(self) -> int:
        """D, a multiple of 64."""

    def encode(self, entities: Sequence[Entity]) -> Float32Array:
        """(n, D) float32."""

    def to_arrays(self) -> Arrays:
        """The encoder as arrays, for `content_encoder`."""


def terms(entity: Entity) -> list[str]:
    """The terms of a title's text: words of title and synopsis, the title's again, whole names.

    Title words count twice, once as such, because franchises share them; a cast member is one term.
    """
    title = _words(entity.title)
    cast = ("cast:" + "_".join(_words(name)) for name in entity.cast)
    return [*title, *(f"title:{word}" for word in title), *_words(entity.synopsis), *cast]


def _words(text: str) -> list[str]:
    plain = text.casefold()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _WORD.findall(plain)


@dataclass(frozen=True, slots=True, eq=False)
class TextContentEncoder:
    """TF-IDF (sublinear counts) projected by SVD, beside genres, kind, year and languages.

    A vector has unit length in all; its text weighs twice what each group of features does.
    """

    kind: ClassVar[str] = "text"
    terms: tuple[str, ...]  # T
    idf: Float32Array  # (T,)
    components: Float32Array  # (T, K)
    genres: tuple[str, ...]
    languages: tuple[str, ...]
    years: Float32Array  # ascending centres, at most YEAR_SLOTS
    _positions: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size, width = self.components.shape
        if not len(self.terms) == len(self.idf) == size:
            raise CheckpointError("the content encoder's terms and arrays differ in length")
        if (width + FEATURES) % WIDTH_UNIT:
            raise CheckpointError(f"a content width of {width + FEATURES} is no multiple of 64")
        if len(self.genres) > GENRE_SLOTS or len(self.languages) > LANGUAGE_SLOTS:
            raise CheckpointError("the content encoder has more features than slots")
        if len(self.years) > YEAR_SLOTS or any(b <= a for a, b in pairwise(self.years)):
            raise CheckpointError("the content encoder's years are not a few ascending centres")
        positions = {term: n for n, term in enumerate(self.terms)}
        object.__setattr__(self, "_positions", MappingProxyType(positions))

    @property
    def dim(self) -> int:
        """D = K + the features' slots."""
        return int(self.components.shape[1]) + FEATURES

    def encode(self, entities: Sequence[Entity]) -> Float32Array:
        """(n, D) float32."""
        vectors = np.zeros((len(entities), self.dim), np.float32)
        for vector, entity in zip(vectors, entities, strict=True):
            parts = (self.text(entity), FEATURE_WEIGHT * self.features(entity))
            vector[:] = _unit(np.concatenate(parts))
        return vectors

    def text(self, entity: Entity) -> Float32Array:
        """(K,) the text's projection, of unit length; zeros where no term is known."""
        known = self._positions
        counts = Counter(known[term] for term in terms(entity) if term in known)
        index = np.fromiter(counts, np.int64, len(counts))
        weights = np.array([1 + math.log(count) for count in counts.values()], np.float32)
        return _unit(_unit(weights * self.idf[index]) @ self.components[index])

    def features(self, entity: Entity) -> Float32Array:
        """(FEATURES,) genres, kind, year, languages; each group of unit length, or unknown."""
        kinds = np.zeros(len(ENTITY_KINDS), np.float32)
        kinds[ENTITY_KINDS.index(entity.kind)] = 1.0
        years = np.zeros(YEAR_SLOTS, np.float32)
        if entity.year is not None and len(self.years):
            # Shared between the two centres around the year.
            slots = np.arange(len(self.years))
            place = np.interp(entity.year, self.years, slots)
            years[: len(slots)] = np.maximum(0.0, 1.0 - np.abs(place - slots))
        return np.concatenate(
            [
                _several(entity.genres, self.genres, GENRE_SLOTS),
                kinds,
                _unit(years),
                _several(entity.languages, self.languages, LANGUAGE_SLOTS),
            ]
        )

    def to_arrays(self) -> Arrays:
        """Strings travel as UTF-8 bytes, one a line."""
        return {
            "kind": _packed([self.kind]),
            "terms": _packed(self.terms),
            "genres": _packed(self.genres),
            "languages": _packed(self.languages),
            "idf": self.idf,
            "components": self.components,
            "years": self.years,
        }


@dataclass(frozen=True, slots=True)
class VectorContentEncoder:
    """The team's own vectors: unit length, padded to a multiple of 64; zeros where missing."""

    kind: ClassVar[str] = "vector"
    width: int

    @property
    def dim(self) -> int:
        """D, ``width`` rounded up."""
        return -(-self.width // WIDTH_UNIT) * WIDTH_UNIT

    def encode(self, entities: Sequence[Entity]) -> Float32Array:
        """(n, D) float32; a vector of another width is an `InputError`."""
        vectors = np.zeros((len(entities), self.dim), np.float32)
        for row, entity in zip(vectors, entities, strict=True):
            if entity.vector is None:
                continue
            if len(entity.vector) != self.width:
                raise InputError(
                    f"entity {entity.id!r} has a vector of {len(entity.vector)} numbers; the model "
                    f"was trained with {self.width}"
                )
            row[: self.width] = _unit(np.array(entity.vector, np.float64))
        return vectors

    def to_arrays(self) -> Arrays:
        """Its width is all there is to it."""
        return {"kind": _packed([self.kind]), "width": np.array([self.width], np.int64)}


def content_encoder(arrays: Mapping[str, NDArray[Any]]) -> ContentEncoder:
    """The encoder of `ContentEncoder.to_arrays`; anything else is a `CheckpointError`."""
    try:
        kind = _unpacked(arrays["kind"])
        if kind == (VectorContentEncoder.kind,):
            return VectorContentEncoder(int(arrays["width"][0]))
        if kind == (TextContentEncoder.kind,):
            return TextContentEncoder(
                terms=_unpacked(arrays["terms"]),
                idf=arrays["idf"],
                components=arrays["components"],
                genres=_unpacked(arrays["genres"]),
                languages=_unpacked(arrays["languages"]),
                years=arrays["years"],
            )
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise CheckpointError(f"the content encoder is unreadable: {error!r}") from error
    raise CheckpointError(f"the content encoder is of the unknown kind {kind}")


def _several(values: Iterable[str], known: Sequence[str], slots: int) -> Float32Array:
    vector = np.zeros(slots, np.float32)
    vector[[known.index(value) for value in values if value in known]] = 1.0
    return _unit(vector)


def _unit(vector: NDArray[np.floating[Any]]) -> Float32Array:
    """Of unit length; zeros stay zeros, and what is not finite in all its numbers becomes zeros.

    A title's own vector may hold what float32 cannot square, or cannot hold at all.
    """
    wide = vector.astype(np.float64)
    most = np.max(np.abs(wide), initial=0.0)
    if most == 0.0 or not np.isfinite(most):
        return np.zeros(len(vector), np.float32)
    wide /= most
    unit: Float32Array = (wide / np.sqrt(np.sum(wide * wide))).astype(np.float32)
    return unit


def _packed(strings: Sequence[str]) -> NDArray[np.uint8]:
    text = "".join(f"{string}\n" for string in strings)
    return np.frombuffer(text.encode(), np.uint8).copy()


def _unpacked(array: NDArray[Any]) -> tuple[str, ...]:
    return tuple(array.tobytes().decode().split("\n")[:-1])
