"""The output head of one catalog snapshot: hidden states to scores, out of packed vectors.

A snapshot that follows another takes its packs over and packs only what is new: a token keeps its
output vector for as long as there is a lexicon that has it (`runtime.lexicon`), and an item's
score does not depend on what it is packed with (`runtime.pack`). Once the packs in use hold much
that the catalog has no longer, or newcomers in many small ones, all is packed anew.

Shape legend: n hidden states, C items of the head in its order, m items of a pack.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from genpage.errors import BundleError
from runtime.arrays import FloatArray, IntArray
from runtime.manifest import Precision
from runtime.pack import MOST_BYTES, Pack, itemsize
from runtime.sessions import SessionSettings

# Tokens (k,) -> their output vectors (k, width).
Vectors = Callable[[IntArray], FloatArray]
# So much of what the packs hold may be of no use, and so much of it in packs of newcomers.
MOST_WASTE: Final = 0.25
# Each pack is a call.
MOST_DELTAS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some tokens' packed vectors. ``delta``: of what came after a head was packed in full."""

    tokens: IntArray  # (m,)
    pack: Pack
    delta: bool = False


class CatalogHead:
    """`runtime.backend.Head` over the output vectors of a list of tokens. One thread calls it.

    Several may share packs, where the same thread calls them.
    """

    def __init__(
        self,
        tokens: IntArray,
        vectors: Vectors,
        precision: Precision,
        settings: SessionSettings,
        *,
        before: "CatalogHead | None" = None,
    ) -> None:
        """Scores come in the order of ``tokens`` (C,).

        ``before`` is another of the same precision and settings, and of the same lexicon or one
        that this one's grew out of.
        """
        if not len(tokens):
            raise BundleError("the catalog is empty: there is nothing to score.")
        parts = () if before is None else _carried(before, tokens)
        missing = tokens if not parts else np.setdiff1d(tokens, _tokens(parts))
        delta = bool(parts)
        if delta and not _worthwhile(parts, tokens, missing):
            parts, missing, delta = (), tokens, False
        self.parts: tuple[Part, ...] = (
            *parts,
            *(
                Part(some, Pack(vectors(some), precision, settings), delta)
                for some in _portions(missing, vectors, precision)
            ),
        )
        self._order = _order(_tokens(self.parts), tokens)
        self.items = len(tokens)

    @property
    def nbytes(self) -> int:
        """Of the packed vectors."""
        return sum(part.pack.nbytes for part in self.parts)

    def scores(self, hidden: FloatArray) -> FloatArray:
        """Scores (n, C) of hidden states (n, width), the caller's own."""
        found = [part.pack.scores(hidden) for part in self.parts]
        joined = found[0] if len(found) == 1 else np.concatenate(found, axis=1)
        if self._order is None:
            return joined
        ordered: FloatArray = joined.take(self._order, axis=1)
        return ordered


def _carried(head: CatalogHead, tokens: IntArray) -> tuple[Part, ...]:
    """Those of its packs that have any of the tokens."""
    return tuple(part for part in head.parts if np.isin(part.tokens, tokens).any())


def _worthwhile(parts: tuple[Part, ...], tokens: IntArray, missing: IntArray) -> bool:
    """Whether to go on with packs of before and one more, instead of packing all anew."""
    held = sum(len(part.tokens) for part in parts) + len(missing)
    deltas = sum(part.delta for part in parts) + (len(missing) > 0)
    late = len(missing) + sum(len(part.tokens) for part in parts if part.delta)
    waste = held - len(tokens)
    return max(waste, late) <= MOST_WASTE * len(tokens) and deltas <= MOST_DELTAS


def _portions(tokens: IntArray, vectors: Vectors, precision: Precision) -> list[IntArray]:
    """In their order, as many together as one pack takes."""
    if not len(tokens):
        return []
    width = vectors(tokens[:1]).shape[1]
    most = max(1, MOST_BYTES // (width * itemsize(precision)))
    return [tokens[first : first + most] for first in range(0, len(tokens), most)]


def _tokens(parts: tuple[Part, ...]) -> IntArray:
    return np.concatenate([part.tokens for part in parts])


def _order(held: IntArray, wanted: IntArray) -> IntArray | None:
    """(C,) where each of the ``wanted`` stands in ``held``; None where they are the same."""
    if np.array_equal(held, wanted):
        return None
    sorting = np.argsort(held, kind="stable")
    order: IntArray = sorting[np.searchsorted(held, wanted, sorter=sorting)].astype(np.int32)
    return order
