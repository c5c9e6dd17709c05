"""A catalog snapshot made ready to score: its tokens, and the head over its output vectors."""

from dataclasses import dataclass

import numpy as np

from genpage.catalog import Catalog
from genpage.sources import EVERYTHING, Sources
from runtime.arrays import IntArray
from runtime.head import CatalogHead
from runtime.lexicon import Lexicon
from runtime.manifest import Precision
from runtime.sessions import SessionSettings
from tokenizer.appeal import Appeal, AppealWeights


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """``row_tokens`` (R,) and ``entity_tokens`` (E,) are in catalog order, as the head's scores."""

    catalog: Catalog
    lexicon: Lexicon
    head: CatalogHead
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
    ) -> "Snapshot":
        """Build the head; takes a second for a large catalog, so never on a request's path."""
        lexicon = lexicon.covering(catalog)
        rows, entities = lexicon.vocabulary.item_tokens(catalog)
        vectors = lexicon.output_vectors(np.concatenate([rows, entities]))
        return cls(
            catalog,
            lexicon,
            CatalogHead(vectors, precision, settings),
            rows,
            entities,
            None
            if appeal is None
            else Appeal.over(appeal, catalog, lexicon.encoder, entities, sources),
        )
