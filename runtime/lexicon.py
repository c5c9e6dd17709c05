"""A vocabulary with its two tables, growing together: how a title newer than the export serves.

A new entity's vectors are its kind's fallback fused with its own content (METHOD, "Semantic
embedding fusion"), on the input and on the output side; a new row's are its fallback's. One whose
content changes gets another token, so that KV computed for what it was cannot be hit; what the
bundle knows keeps what it learnt, whatever its document says.

Where more tokens have lapsed than are in use, it begins anew, with the bundle's and what is in the
catalog now: newer titles get tokens that none had before, so prompts that have one are read again,
and nothing else is. Pages under way look theirs up in the tables that they hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.errors import InputError
from runtime.arrays import FloatArray, IntArray
from runtime.tables import FusedTable
from tokenizer.content import ContentEncoder
from tokenizer.vocabulary import Vocabulary

# So many tokens of titles that changed or went are put up with, however few are in use.
LAPSED: Final = 1_024


@dataclass(frozen=True, slots=True, eq=False)
class Newcomer:
    """An entity newer than the bundle, with the content that its vectors were made of."""

    entity: Entity
    content: FloatArray  # (C,)

    def alike(self, other: "Newcomer") -> bool:
        """Whether the same vectors come of it."""
        same_kind = self.entity.kind == other.entity.kind
        return same_kind and np.array_equal(self.content, other.content)


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """Tokens, embeddings and output vectors; immutable."""

    vocabulary: Vocabulary
    inputs: FusedTable
    outputs: FusedTable
    encoder: ContentEncoder
    newcomers: Mapping[str, Newcomer] = field(default_factory=dict)
    # The bundle's, where this one grew out of it.
    bundled: Vocabulary | None = None

    def covering(self, catalog: Catalog) -> "Lexicon":
        """With every row and entity of the catalog; itself where nothing is new.

        What it has keeps its token and vectors, so KV of known tokens stays good; but for newer
        titles once too many tokens have lapsed.
        """
        newcomers = {**self.newcomers, **self._unmet(catalog)}
        renewed = [
            id_ for id_, before in self.newcomers.items() if not before.alike(newcomers[id_])
        ]
        vocabulary = self.vocabulary.renewed(renewed).grown(catalog)
        if vocabulary is self.vocabulary:
            return self if newcomers == self.newcomers else replace(self, newcomers=newcomers)
        if _crowded(self.bundled or self.vocabulary, vocabulary, catalog):
            return self._anew(catalog, newcomers)
        return _grown(self, vocabulary, newcomers)

    def output_vectors(self, tokens: IntArray) -> FloatArray:
        """(n,) tokens -> (n, d) what a hidden state is multiplied with for their scores."""
        return self.outputs.at(tokens)

    def _anew(self, catalog: Catalog, newcomers: Mapping[str, Newcomer]) -> "Lexicon":
        """The bundle's, covering the catalog by tokens that were nobody's so far."""
        bundled, token = self.bundled or self.vocabulary, self.vocabulary.size
        anew = replace(
            self,
            vocabulary=bundled.anew(token),
            inputs=self.inputs.anew(bundled.size, token),
            outputs=self.outputs.anew(bundled.size, token),
            bundled=bundled,
        )
        there = {e.id: newcomers[e.id] for e in catalog.entities if e.id in newcomers}
        return _grown(anew, anew.vocabulary.grown(catalog), there)

    def _unmet(self, catalog: Catalog) -> dict[str, Newcomer]:
        """The catalog's entities that the bundle lacks, where their document was not met yet."""
        unmet: dict[str, Newcomer] = {}
        for entity in catalog.entities:
            before = self.newcomers.get(entity.id)
            if before is None and self.vocabulary.is_known_entity(entity.id):
                continue
            if before is None or before.entity != entity:
                unmet[entity.id] = Newcomer(entity, self._content(entity))
        return unmet

    def _content(self, entity: Entity) -> FloatArray:
        """(C,) zeros where it cannot be told: the fallback of its kind stands for it."""
        try:
            content: FloatArray = self.encoder.encode([entity])[0]
        except InputError:
            return np.zeros(self.encoder.dim, np.float32)
        # One NaN here is a NaN among the scores of every page that may show the title.
        return content if np.isfinite(content).all() else np.zeros_like(content)


def _crowded(bundled: Vocabulary, vocabulary: Vocabulary, catalog: Catalog) -> bool:
    """Whether most of the tokens that the bundle lacks are of nothing that is in the catalog."""
    newer = vocabulary.items[len(bundled.items) :]
    used = sum(
        (item.noun == "entity" and catalog.entity_index(item.id) is not None)
        or (item.noun == "row" and catalog.row_index(item.id) is not None)
        for item in newer
    )
    return len(newer) - used > max(LAPSED, used)


def _grown(lexicon: Lexicon, vocabulary: Vocabulary, newcomers: Mapping[str, Newcomer]) -> Lexicon:
    """With vectors for what the vocabulary has more than the lexicon's."""
    new = range(lexicon.vocabulary.size, vocabulary.size)
    fallbacks = np.array([vocabulary.fallback_of(token) for token in new], np.int32)
    content = np.zeros((len(new), lexicon.encoder.dim), np.float32)
    for place, token in enumerate(new):
        item = vocabulary.item(token)
        if item is not None and item.noun == "entity":
            content[place] = newcomers[item.id].content
    return Lexicon(
        vocabulary,
        lexicon.inputs.extended(fallbacks, content),
        lexicon.outputs.extended(fallbacks, content),
        lexicon.encoder,
        newcomers,
        lexicon.bundled or lexicon.vocabulary,
    )
