"""A catalog snapshot made ready to score: its tokens, and the head over its output vectors."""

from dataclasses import dataclass

import numpy as np

from genpage.catalog import Catalog
from genpage.sources import EVERYTHING, Sources
from runtime.arrays import IntArray
from runtime.head import CatalogHead
from runtime.lexicon import Lexicon
from runtime.manifest import Precision
from runtime.scopes import Scopes
from runtime.sessions import SessionSettings
from tokenizer.appeal import Appeal, AppealWeights


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

        def packing(tokens: IntArray, earlier: CatalogHead | None) -> CatalogHead:
            return CatalogHead(tokens, lexicon.output_vectors, precision, settings, before=earlier)

        head = packing(np.concatenate([rows, entities]), None if before is None else before.head)
        learnt = None
        if appeal is not None:
            outputs = lexicon.output_vectors(entities)
            learnt = Appeal.over(appeal, catalog, lexicon.encoder, outputs, sources)
        earlier = None if before is None else before.scopes
        scopes = Scopes(head, rows, entities, packing, earlier)
        return cls(catalog, lexicon, head, scopes, rows, entities, learnt)
