"""A vocabulary with its two tables, growing together: how a title newer than the export serves.

A new entity's vectors are its kind's fallback fused with its own content (METHOD, "Semantic
embedding fusion"), on the input and on the output side; a new row's are its fallback's.
"""

from dataclasses import dataclass

import numpy as np

from genpage.catalog import Catalog
from runtime.arrays import FloatArray, IntArray
from runtime.tables import FusedTable
from tokenizer.content import ContentEncoder
from tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Tokens, embeddings and output vectors; immutable."""

    vocabulary: Vocabulary
    inputs: FusedTable
    outputs: FusedTable
    encoder: ContentEncoder

    def covering(self, catalog: Catalog) -> "Lexicon":
        """With every row and entity of the catalog; itself where nothing is new.

        What it has keeps its token and vectors, so KV of known tokens stays good.
        """
        vocabulary = self.vocabulary.grown(catalog)
        if vocabulary is self.vocabulary:
            return self
        new = range(self.vocabulary.size, vocabulary.size)
        fallbacks = np.array([vocabulary.fallback_of(token) for token in new], np.int32)
        content = np.zeros((len(new), self.encoder.dim), np.float32)
        for place, token in enumerate(new):
            item = vocabulary.item(token)
            index = None
            if item is not None and item.noun == "entity":
                index = catalog.entity_index(item.id)
            if index is not None:
                content[place] = self.encoder.encode([catalog.entities[index]])[0]
        return Lexicon(
            vocabulary,
            self.inputs.extended(fallbacks, content),
            self.outputs.extended(fallbacks, content),
            self.encoder,
        )

    def output_vectors(self, tokens: IntArray) -> FloatArray:
        """(n,) tokens -> (n, d) what a hidden state is multiplied with for their scores."""
        return self.outputs.rows[tokens]
