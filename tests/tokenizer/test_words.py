"""A prompt in words."""

from genpage.catalog import Catalog
from genpage.context import Context
from genpage.entity import Entity
from genpage.event import Event
from genpage.injection import Injection
from genpage.request import PageRequest
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import Vocabulary
from tokenizer.words import describe, text_of

from .conftest import NOON


def test_describe_by_hand(catalog: Catalog, vocabulary: Vocabulary) -> None:
    """Each token is told by its segment and in words, titles by name."""
    context = Context("u", events=(Event("v", "u", "e3", "thumbs_up", NOON - 90_000.0),))
    prompt = PromptEncoder(vocabulary).encode(
        context, PageRequest("u", NOON), Injection(trending=("e7", "nobody"))
    )
    told = describe(prompt, vocabulary, catalog)
    assert [word.token for word in told] == prompt.tokens.tolist()
    assert [word.text for word in told if word.segment == "history"] == [
        *("history", "Title 3", "liked", "the day before", "no duration"),
    ]
    assert [word.text for word in told if word.segment == "trending"] == [
        *("trending", "Title 7", "an unknown title"),
    ]


def test_items_that_the_catalog_lacks_stand_by_their_id(
    catalog: Catalog, vocabulary: Vocabulary
) -> None:
    """A withdrawn title or row is told by its id; a reserved token by its number."""
    empty = Catalog.build([Entity("other", "film", "Other")], [])
    assert text_of(vocabulary.entity("e1"), vocabulary, empty) == "e1"
    assert text_of(vocabulary.row("r1"), vocabulary, empty) == "r1"
    assert text_of(vocabulary.row("r1"), vocabulary, catalog) == "Row 1"
    assert text_of(511, vocabulary, catalog) == "reserved:511"
