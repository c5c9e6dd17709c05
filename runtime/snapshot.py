"""A catalog snapshot made ready to score: its tokens, and the head over its output vectors."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from genpage.catalog import Catalog
from genpage.sources import EVERYTHING, Sources
from runtime.arrays import IntArray
from runtime.head import CatalogHead
from runtime.lexicon import Lexicon
from runtime.manifest import Precision
from runtime.scopes import Packed, Scopes
from runtime.screen import Screen
from runtime.sessions import SessionSettings
from tokenizer.appeal import Appeal, AppealWeights

# So many float32 vectors are a gigabyte at a width of 768.
SCREENED_FROM: Final = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """``row_tokens`` (R,) and ``entity_tokens`` (E,) are in catalog order, as the head's scores."""

    catalog: Catalog
    lexicon: Lexicon
    head: CatalogHead
    scopes: Scopes
    row_tokens: IntArray
    entity_tokens: IntArray
    appeal: Appeal | None = None

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
    ) -> "Snapshot":
        """Build the head; takes a second for a large catalog, so never on a request's path.

        ``before`` is the snapshot that this one follows, of the ``lexicon`` given.
        """
        lexicon = lexicon.covering(catalog)
        rows, entities = lexicon.vocabulary.item_tokens(catalog)

        vectors, tokens = lexicon.output_vectors, np.concatenate([rows, entities])

        def screened(tokens: IntArray, earlier: Packed | None) -> Screen | None:
            if precision != "fp32" or len(tokens) <= SCREENED_FROM:
                return None
            held = earlier if isinstance(earlier, Screen) else None
            screen = Screen(tokens, len(rows), vectors, settings, before=held)
            return screen if screen.again.agrees(settings) else None

        def packing(tokens: IntArray, earlier: Packed | None) -> Packed:
            held = earlier if isinstance(earlier, CatalogHead) else None
            return screened(tokens, earlier) or CatalogHead(
                tokens, vectors, precision, settings, before=held
            )

        held = None if before is None else before.head
        head = CatalogHead(tokens, vectors, precision, settings, before=held)
        learnt = None
        if appeal is not None:
            learnt = Appeal.over(appeal, catalog, lexicon.encoder, entities, sources)
        earlier = None if before is None else before.scopes
        whole = screened(tokens, None if earlier is None else earlier.whole) or head
        scopes = Scopes(whole, rows, entities, packing, earlier)
        return cls(catalog, lexicon, head, scopes, rows, entities, learnt)
