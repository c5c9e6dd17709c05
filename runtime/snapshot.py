"""A catalog snapshot made ready to score: its tokens, and the head over its output vectors."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from genpage.catalog import Catalog
from genpage.sources import EVERYTHING, Sources
from runtime.arrays import IntArray
from runtime.backend import Head
from runtime.draft_head import DraftHead
from runtime.exactness import is_exact_head
from runtime.foresight import Foresight
from runtime.head import CatalogHead
from runtime.lexicon import Lexicon
from runtime.manifest import Precision
from runtime.pack import itemsize
from runtime.scopes import Packed, Scopes
from runtime.screen import Screen
from runtime.sessions import SessionSettings
from runtime.unpacked import UnpackedHead
from tokenizer.appeal import Appeal, AppealWeights

# So many float32 vectors are a gigabyte at a width of 768.
SCREENED_FROM: Final = 200_000
# Of whose scores it is tried out that they are the same in any pack.
_TRIED: Final = 259


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """``row_tokens`` (R,) and ``entity_tokens`` (E,) are in catalog order, as the head's scores.

    ``head`` gives exact scores of all; where pages are screened (`runtime.screen`) it is slow, and
    they go by ``scopes`` alone.
    """

    catalog: Catalog
    lexicon: Lexicon
    head: Head
    scopes: Scopes
    row_tokens: IntArray
    entity_tokens: IntArray
    appeal: Appeal | None = None
    foresight: Foresight | None = None

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        lexicon: Lexicon,
        precision: Precision,
        settings: SessionSettings,
        appeal: AppealWeights | None = None,
        sources: Sources = EVERYTHING,
        before: "Snapshot | None" = None,
        drafts: DraftHead | None = None,
    ) -> "Snapshot":
        """Build the head; takes a second for a large catalog, so never on a request's path.

        ``before`` is the snapshot that this one follows, of the ``lexicon`` given.
        """
        lexicon = lexicon.covering(catalog)
        rows, entities = lexicon.vocabulary.item_tokens(catalog)

        vectors, tokens = lexicon.output_vectors, np.concatenate([rows, entities])

        def screened(tokens: IntArray, earlier: Packed | None) -> Screen | None:
            if precision == "int8" or len(tokens) <= SCREENED_FROM:
                return None
            held = earlier if isinstance(earlier, Screen) else None
            screen = Screen(tokens, len(rows), vectors, settings, before=held)
            return screen if screen.again.agrees(settings) else None

        def packing(tokens: IntArray, earlier: Packed | None) -> Packed:
            held = earlier if isinstance(earlier, CatalogHead) else None
            return screened(tokens, earlier) or CatalogHead(
                tokens, vectors, precision, settings, before=held
            )

        def sizing(items: int) -> int:
            width = vectors(tokens[:1]).shape[1]
            return packed_bytes(items, len(rows), width, precision)

        learnt = None
        if appeal is not None:
            learnt = Appeal.over(appeal, catalog, lexicon.encoder, entities, sources)
        earlier = None if before is None else before.scopes
        whole = packing(tokens, None if earlier is None else earlier.whole)
        scopes = Scopes(whole, rows, entities, packing, sizing, earlier)
        head: Head = whole
        if isinstance(whole, Screen):
            head = UnpackedHead(whole.again, len(tokens))
        foresight = None
        if drafts is not None and Foresight.holds(drafts, len(tokens)):
            foresight = Foresight(drafts, lexicon.inputs, lexicon.outputs, len(rows), tokens)
        return cls(catalog, lexicon, head, scopes, rows, entities, learnt, foresight)

    def scores_exactly(self, precision: Precision, settings: SessionSettings) -> bool:
        """Whether its scores depend on nothing that they are computed beside, tried out here."""
        whole, tokens = self.scopes.whole, np.concatenate([self.row_tokens, self.entity_tokens])
        vectors, part = self.lexicon.output_vectors, None
        count = min(_TRIED, len(tokens))
        places = np.linspace(0, len(tokens) - 1, count).astype(np.int32)
        # What a screen makes exact was tried as it was made.
        if isinstance(whole, CatalogHead):
            part = CatalogHead(tokens[places], vectors, precision, settings)
        return is_exact_head(whole, vectors(tokens[:1]).shape[1], part, places)


def packed_bytes(items: int, rows: int, width: int, precision: Precision) -> int:
    """What scores so many items takes of memory; ``rows`` of them are no titles."""
    if precision == "int8" or items <= SCREENED_FROM:
        return items * width * itemsize(precision)
    # Integers, with two numbers of each vector, and the rows once more.
    return items * (width * itemsize("int8") + 8) + rows * width * itemsize("fp32")
