"""Pages and their tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpage.errors import InputError
from genpage.page import Page, PageRow
from tokenizer.page import PageCodec, entities_before_fill
from tokenizer.vocabulary import Item, Vocabulary

VOCABULARY = Vocabulary(
    (
        *(Item("row", f"r{n}", "genre") for n in range(5)),
        *(Item("entity", f"e{n}", "film") for n in range(30)),
        Item("entity", "r0", "film"),  # a row and an entity may share an id
    )
)
CODEC = PageCodec(VOCABULARY)
pages = st.builds(
    lambda rows: Page(tuple(PageRow(row, tuple(entities)) for row, entities in rows)),
    st.lists(
        st.tuples(
            st.sampled_from([f"r{n}" for n in range(5)]),
            st.lists(st.sampled_from(["r0", *(f"e{n}" for n in range(30))]), max_size=20),
        ),
        max_size=10,
    ),
)


@given(pages)
def test_round_trip(page: Page) -> None:
    """A page of known items survives the way to tokens and back, one token an item."""
    tokens = CODEC.encode(page)
    assert CODEC.decode(tokens) == page
    assert len(tokens) == sum(1 + len(row.entity_ids) for row in page.rows)
    assert tokens.dtype == np.int32


@given(pages, st.integers(1, 21))
def test_short_rows_keep_their_first_entities(page: Page, serialised: int) -> None:
    """A row's tail is in no sequence; all else is."""
    short = Page(tuple(PageRow(row.row_id, row.entity_ids[:serialised]) for row in page.rows))
    codec = PageCodec(VOCABULARY, serialised)
    assert codec.decode(codec.encode(page)) == short


@pytest.mark.parametrize(
    ("autoregressive", "serialised", "before"),
    [(4, None, 3), (1, None, 0), (4, 8, 3), (4, 5, 3), (4, 4, 4), (4, 2, 2), (20, 4, 4), (1, 1, 1)],
)
def test_the_fill_comes_behind_what_is_decided_alone(
    autoregressive: int, serialised: int | None, before: int
) -> None:
    """With the last autoregressive entity, but never before all else that is in the sequence."""
    assert entities_before_fill(autoregressive, serialised) == before


def test_unknown_items_encode_by_fallback_and_do_not_decode() -> None:
    """What stands by a fallback has lost its id, and decoding says so."""
    tokens = CODEC.encode(Page((PageRow("r1", ("e1", "nobody")),)))
    assert VOCABULARY.word(int(tokens[2])) == "unseen:entity"
    with pytest.raises(InputError, match="'unseen:entity', no row"):
        CODEC.decode(tokens)


def test_a_page_begins_with_a_row() -> None:
    """Entities before any row are no page."""
    with pytest.raises(InputError, match="begins with a row"):
        CODEC.decode([VOCABULARY.entity("e1")])


def test_tokens_outside_are_refused() -> None:
    """A number that is no token is refused."""
    with pytest.raises(InputError, match="outside"):
        CODEC.decode([VOCABULARY.size])
