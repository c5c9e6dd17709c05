"""A page as tokens and back: each row one token, each entity one, row by row.

With *short rows* only the first ``serialised`` entities of a row are tokens of the sequence; the
others, the row's tail, are decided by what is known behind the last of those, and are never fed.
How many is a property of the trained model; None are all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpage.errors import InputError
from genpage.page import Page, PageRow
from tokenizer.vocabulary import IntArray, Vocabulary


def entities_before_fill(autoregressive: int, serialised: int | None) -> int:
    """How many of a row's entities are decided alone, before one set of scores gives the rest.

    The last of the ``autoregressive`` ones comes with the fill. Where these reach the serialised
    ones, all of those are alone, and the tail is filled behind them: there it was trained, and the
    next row is decided by the same pass.
    """
    if serialised is None or autoregressive < serialised:
        return autoregressive - 1
    return serialised


def row_tokens(
    vocabulary: Vocabulary, rows: Sequence[PageRow], serialised: int | None = None
) -> list[int]:
    """``<row> entities..`` for each row; unknown ids stand by their fallback."""
    tokens: list[int] = []
    for row in rows:
        tokens.append(vocabulary.row(row.row_id))
        tokens += [vocabulary.entity(entity_id) for entity_id in row.entity_ids[:serialised]]
    return tokens


@dataclass(frozen=True, slots=True)
class PageCodec:
    """Encodes and decodes pages over one vocabulary; of short rows what is serialised."""

    vocabulary: Vocabulary
    serialised: int | None = None

    def encode(self, page: Page) -> IntArray:
        """(n,) the page's tokens, left to right, then top to bottom."""
        return np.array(row_tokens(self.vocabulary, page.rows, self.serialised), np.int32)

    def decode(self, tokens: Sequence[int] | IntArray) -> Page:
        """The page of those tokens; anything that is not a list of rows is an `InputError`."""
        rows: list[tuple[str, list[str]]] = []
        for position, token in enumerate(tokens):
            item = self.vocabulary.item(int(token))
            if item is None:
                word = self.vocabulary.word(int(token))
                raise InputError(f"token {position} of the page is {word!r}, no row and no entity")
            if item.noun == "row":
                rows.append((item.id, []))
            elif rows:
                rows[-1][1].append(item.id)
            else:
                raise InputError("a page begins with a row, not with an entity")
        return Page(tuple(PageRow(row_id, tuple(entities)) for row_id, entities in rows))
