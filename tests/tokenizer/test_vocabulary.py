"""The vocabulary keeps every id for good."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpage.catalog import Catalog
from genpage.entity import ENTITY_KINDS, Entity
from genpage.errors import CheckpointError, InputError
from genpage.row import Row
from tokenizer.symbols import ITEM_START, ROW_KINDS, SYMBOLS
from tokenizer.vocabulary import Item, Vocabulary, _digest

ids = st.text(min_size=1, max_size=6)
catalogs = st.builds(
    lambda entities, rows: Catalog.build(
        [Entity(i, ENTITY_KINDS[len(i) % 4], i) for i in entities],
        [Row(i, ("genre", "odd")[len(i) % 2], i) for i in rows],
    ),
    st.lists(ids, unique=True, max_size=8),
    st.lists(ids, unique=True, max_size=4),
)


@given(catalogs, catalogs)
def test_growth_keeps_every_id(first: Catalog, second: Catalog) -> None:
    """A grown vocabulary gives old items their old tokens and new ones the next free tokens."""
    old = Vocabulary().grown(first)
    new = old.grown(second)
    assert [new.entity(e.id) for e in first.entities] == [old.entity(e.id) for e in first.entities]
    assert [new.row(r.id) for r in first.rows] == [old.row(r.id) for r in first.rows]
    assert new.items[: len(old.items)] == old.items
    known = {new.entity(e.id) for c in (first, second) for e in c.entities}
    known |= {new.row(r.id) for c in (first, second) for r in c.rows}
    assert known == set(range(ITEM_START, new.size))


@given(catalogs, catalogs)
def test_json_round_trip(first: Catalog, second: Catalog) -> None:
    """What is written is read back equal, digest and lineage included."""
    vocabulary = Vocabulary().grown(first).grown(second)
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert (again.digest, again.lineage) == (vocabulary.digest, vocabulary.lineage)


@given(catalogs)
def test_every_token_has_its_own_word(catalog: Catalog) -> None:
    """No two tokens share a name, and a symbol's name leads back to it."""
    vocabulary = Vocabulary().grown(catalog)
    words = [vocabulary.word(token) for token in range(vocabulary.size)]
    assert len(set(words)) == vocabulary.size
    assert all(vocabulary.symbol(words[token]) == token for token in range(len(SYMBOLS)))


def test_lineage_names_the_ancestors(catalog: Catalog) -> None:
    """Growth records the digest it grew from; growth by nothing is the same vocabulary."""
    empty = Vocabulary()
    grown = empty.grown(catalog)
    assert grown.lineage == (empty.digest,)
    assert grown.digest != empty.digest
    assert grown.grown(catalog) is grown
    more = Catalog.build([Entity("later", "film", "Later")], [])
    assert grown.grown(more).lineage == (empty.digest, grown.digest)


def test_unknown_items_fall_back_by_type(vocabulary: Vocabulary) -> None:
    """An unknown title or row stands by its kind's fallback, or the general one."""
    word = vocabulary.word
    assert word(vocabulary.entity("nobody")) == "unseen:entity"
    assert [word(vocabulary.entity("nobody", k)) for k in ENTITY_KINDS] == [
        f"unseen:{k}" for k in ENTITY_KINDS
    ]
    assert word(vocabulary.row("nowhere")) == "unseen:row"
    assert word(vocabulary.row("nowhere", "handmade")) == "unseen:row"
    assert [word(vocabulary.row("nowhere", k)) for k in ROW_KINDS] == [
        f"unseen:row:{k}" for k in ROW_KINDS
    ]


def test_fallbacks_of_known_items(catalog: Catalog, vocabulary: Vocabulary) -> None:
    """Each item knows its kind's fallback; a symbol is its own; the array says the same."""
    for entity in catalog.entities:
        token = vocabulary.entity(entity.id)
        assert vocabulary.fallback_of(token) == vocabulary.symbol(f"unseen:{entity.kind}")
    page = vocabulary.symbol("<page>")
    assert vocabulary.fallback_of(page) == page
    assert list(vocabulary.fallbacks()) == [
        vocabulary.fallback_of(token) for token in range(vocabulary.size)
    ]


def test_item_tokens_follow_the_catalog(catalog: Catalog) -> None:
    """A catalog newer than the vocabulary gets fallbacks for what is new in it."""
    vocabulary = Vocabulary().grown(Catalog.build(catalog.entities[1:], catalog.rows[1:]))
    rows, entities = vocabulary.item_tokens(catalog)
    assert rows[0] == vocabulary.symbol("unseen:row:genre")
    assert entities[0] == vocabulary.symbol("unseen:show")
    assert sorted({*rows[1:], *entities[1:]}) == list(range(ITEM_START, vocabulary.size))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": [["entity", "other", "film"]]}, "digest"),
        ({"symbols": ["<other>"]}, "another version"),
        ({"schema": 99}, "another version"),
        ({"items": [["entity"]]}, "unreadable"),
        ({"lineage": 3}, "unreadable"),
    ],
)
def test_foreign_json_is_refused(vocabulary: Vocabulary, change: dict[str, Any], says: str) -> None:
    """A changed or foreign document is refused with its reason."""
    document = orjson.loads(vocabulary.to_json()) | change
    with pytest.raises(CheckpointError, match=says):
        Vocabulary.from_json(orjson.dumps(document))


def test_broken_json_is_refused() -> None:
    """Bytes that are no JSON are refused."""
    with pytest.raises(CheckpointError, match="unreadable"):
        Vocabulary.from_json(b"\x00")


def test_older_symbols_are_taken_over() -> None:
    """A vocabulary written before the block grew is read as its descendant, items in place."""
    vocabulary = Vocabulary((Item("entity", "a", "film"),))
    document = orjson.loads(vocabulary.to_json())
    document["symbols"] = document["symbols"][:-1]
    document["digest"] = _digest(document["symbols"], document["items"])
    again = Vocabulary.from_json(orjson.dumps(document))
    assert again.entity("a") == ITEM_START
    assert again.lineage == (document["digest"],)


def test_a_doubled_item_is_refused() -> None:
    """Two items of one id are an error."""
    with pytest.raises(InputError, match="twice"):
        Vocabulary((Item("row", "a", "genre"), Item("row", "a", "new")))


def test_one_that_begins_anew_gives_tokens_that_nobody_had(catalog: Catalog) -> None:
    """Known items keep theirs; those in between are outside; each beginning is told from others."""
    known = Vocabulary().grown(catalog)
    later = Catalog.build([Entity("later", "film", "Later")], [Row("new", "genre", "New")])
    before = known.grown(later)
    for after in (known.anew(before.size).grown(later), known.anew(before.size + 7).grown(later)):
        for mine, theirs in zip(
            after.item_tokens(catalog), known.item_tokens(catalog), strict=True
        ):
            assert mine.tolist() == theirs.tolist()
        row, entity = after.row("new", "genre"), after.entity("later", "film")
        assert (row, entity) == (after.size - 2, after.size - 1)
        assert row >= before.size
        assert [after.word(token) for token in (row, entity)] == ["row:new", "entity:later"]
        assert after.fallback_of(entity) == after.symbol("unseen:film")
        for lapsed in (known.size, row - 1):
            with pytest.raises(InputError, match="outside"):
                after.word(lapsed)
        assert known.digest in after.lineage
        assert before.digest not in {after.digest, *after.lineage}
        renewed = after.renewed(["later"]).grown(later)
        assert renewed.entity("later") == after.size
        assert renewed.word(entity).startswith("retired:")
    assert len({before.digest, known.anew(before.size).grown(later).digest, after.digest}) == 3


@pytest.mark.parametrize("token", [-1, ITEM_START])
def test_a_token_outside_is_refused(token: int) -> None:
    """There is no word for a token that the vocabulary lacks."""
    with pytest.raises(InputError, match="outside"):
        Vocabulary().word(token)
