"""The lexicon follows a catalog that changes for ever, in memory that has a bound."""

from dataclasses import replace

import numpy as np

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.row import Row
from runtime.arrays import FloatArray
from runtime.lexicon import LAPSED, Lexicon
from runtime.tables import FusedTable
from tokenizer.content import VectorContentEncoder
from tokenizer.vocabulary import Vocabulary

WIDTH, KNOWN, NEW = 8, 30, 20
BUNDLED = Catalog.build(
    [Entity(f"e{n}", "film", f"Film {n}") for n in range(KNOWN)], [Row("r", "genre", "Row")]
)


def table(rows: int, seed: int) -> FusedTable:
    """Random, of the encoder's content width."""
    numbers = np.random.default_rng(seed)
    return FusedTable(
        rows=numbers.normal(size=(rows, WIDTH)).astype(np.float32),
        projection=numbers.normal(size=(64, WIDTH)).astype(np.float32),
        gate_weight=numbers.normal(size=WIDTH).astype(np.float32),
        gate_bias=np.zeros((), np.float32),
    )


def bundled() -> Lexicon:
    """As a bundle brings it."""
    vocabulary = Vocabulary().grown(BUNDLED)
    size = vocabulary.size
    return Lexicon(vocabulary, table(size, 1), table(size, 2), VectorContentEncoder(4))


def with_titles(turn: int, count: int = NEW) -> Catalog:
    """The bundle's, and titles whose content is another each turn."""
    films = [
        Entity(f"n{n}", "film", "New", vector=(1.0, float(n), float(turn), 0.5))
        for n in range(count)
    ]
    return Catalog.build([*BUNDLED.entities, *films], [*BUNDLED.rows, Row("s", "genre", "Shelf")])


def vectors(lexicon: Lexicon, catalog: Catalog) -> FloatArray:
    """Of the catalog's rows and titles, in its order, input and output."""
    tokens = np.concatenate(lexicon.vocabulary.item_tokens(catalog))
    return np.concatenate([lexicon.inputs.at(tokens), lexicon.output_vectors(tokens)])


def test_titles_that_change_for_ever_take_no_more_room() -> None:
    """10,000 changes of twenty titles; vectors are always those of what a title is now."""
    first = lexicon = bundled()
    known = first.vocabulary.item_tokens(BUNDLED)[1].tolist()
    seen: set[int] = set()
    anew = 0
    for turn in range(500):
        catalog, before = with_titles(turn), lexicon
        lexicon = lexicon.covering(catalog)
        tokens = lexicon.vocabulary.item_tokens(catalog)[1].tolist()
        assert tokens[:KNOWN] == known
        # No token ever comes back with another meaning: KV that has it cannot be hit.
        assert not seen.intersection(tokens[KNOWN:])
        seen.update(tokens[KNOWN:])
        most = len(first.vocabulary.items) + LAPSED + 2 * (NEW + 1)
        assert len(lexicon.vocabulary.items) <= most
        assert len(lexicon.vocabulary.lineage) <= most
        assert len(lexicon.inputs.rows) == len(lexicon.outputs.rows) <= most + 512
        assert len(lexicon.newcomers) == NEW
        anew += lexicon.inputs.gap != before.inputs.gap
        if turn % 200 == 0 or lexicon.inputs.gap != before.inputs.gap:
            fresh = vectors(bundled().covering(catalog), catalog)
            # Products of other shapes round otherwise.
            np.testing.assert_allclose(vectors(lexicon, catalog), fresh, rtol=0, atol=1e-5)
    assert len(seen) == 10_000
    # Seldom: everything else keeps all prompts and KV.
    assert anew == 10_000 // (LAPSED + NEW)


def test_titles_that_come_and_go_take_no_more_room() -> None:
    """Each its own, for a while."""
    lexicon = bundled()
    for turn in range(40):
        films = [Entity(f"t{turn}-{n}", "film", "T") for n in range(100)]
        lexicon = lexicon.covering(Catalog.build([*BUNDLED.entities, *films], BUNDLED.rows))
        assert len(lexicon.vocabulary.items) <= KNOWN + 1 + LAPSED + 200
        assert len(lexicon.newcomers) <= LAPSED + 200


def test_many_titles_at_once_are_no_reason_to_begin_anew() -> None:
    """As much as is in use is put up with besides."""
    count = LAPSED + 100
    lexicon = bundled()
    for turn in range(3):
        assert lexicon.inputs.gap == 0
        catalog = with_titles(turn, count)
        lexicon = lexicon.covering(catalog)
    assert lexicon.inputs.gap == 2 * count + 1
    tokens = lexicon.vocabulary.item_tokens(catalog)[1]
    assert tokens[KNOWN] == lexicon.vocabulary.size - count


def test_a_title_that_only_moves_in_time_keeps_its_token() -> None:
    """Beginning anew is for what a title is; known ones are met again where they were."""
    lexicon = bundled().covering(with_titles(0))
    catalog = with_titles(0)
    later = Catalog.build(
        [replace(entity, available_until=9e9) for entity in catalog.entities], catalog.rows
    )
    assert lexicon.covering(later).vocabulary is lexicon.vocabulary
