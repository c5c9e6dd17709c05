"""A prompt in words: what the model saw, for people."""

from dataclasses import dataclass

from genpage.catalog import Catalog
from tokenizer.prompt import Prompt, SegmentName
from tokenizer.symbols import SYMBOLS
from tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Word:
    """One token of a prompt: its segment, its id, what it says."""

    segment: SegmentName
    token: int
    text: str


def text_of(token: int, vocabulary: Vocabulary, catalog: Catalog) -> str:
    """A token in words; a row or entity by its title, or by its id where the catalog lacks it."""
    item = vocabulary.item(token)
    if item is None:
        return SYMBOLS[token].text if token < len(SYMBOLS) else vocabulary.word(token)
    if item.noun == "row":
        row = catalog.row_index(item.id)
        return item.id if row is None else catalog.rows[row].title
    entity = catalog.entity_index(item.id)
    return item.id if entity is None else catalog.entities[entity].title


def describe(prompt: Prompt, vocabulary: Vocabulary, catalog: Catalog) -> list[Word]:
    """The prompt token by token, in order."""
    return [
        Word(segment.name, token, text_of(token, vocabulary, catalog))
        for segment in prompt.segments
        for token in prompt.tokens[segment.start : segment.end].tolist()
    ]
