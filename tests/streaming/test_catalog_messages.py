"""Messages of the catalog: what they say, and what is poison."""

import orjson
import pytest

from genpage.catalog_changes import Change, Withdrawal
from genpage.entity import Entity
from genpage.errors import PoisonError
from genpage.row import Row, Where
from streaming.catalog_messages import of_change, read_change
from streaming.messages import VALUE_LIMIT, Message

TOPIC = "genpage.catalog"


@pytest.mark.parametrize(
    "change",
    [
        Entity("n1", "show", "New: one", genres=("Drama",), vector=(0.5, 1.0)),
        Row("r1", "genre", "Row", where=Where(genres_all=("Drama",)), pinned_position=2),
        Withdrawal("entity", "with:colon"),
        Withdrawal("row", "r1"),
    ],
)
def test_what_is_written_is_read(change: Change) -> None:
    """Every kind of change, there and back."""
    assert read_change(of_change(change, 10.0)) == change


def test_a_plain_document_is_taken() -> None:
    """Without headers, with fields that nobody knows, its id told by the key alone."""
    value = orjson.dumps({"kind": "film", "title": "T", "rating": 5, "synopsis": None})
    assert read_change(Message(TOPIC, b"entity:n1", value)) == Entity("n1", "film", "T")


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("key", None, b"{}"),
        ("key", b"n1", b"{}"),
        ("key", b"title:n1", b"{}"),
        ("key", b"entity:", None),
        ("key", b"entity:\xff", None),
        ("key", b"row:" + b"x" * 300, None),
        ("key", b"entity:n1", b'{"id": "n2", "kind": "film", "title": "T"}'),
        ("not-json", b"entity:n1", b"{"),
        ("invalid", b"entity:n1", b"[]"),
        ("invalid", b"entity:n1", b'{"title": "T"}'),
        ("invalid", b"entity:n1", b'{"kind": "opera", "title": "T"}'),
        ("invalid", b"entity:n1", b'{"kind": "film", "title": "T", "maturity": 70000}'),
        ("invalid", b"entity:n1", b'{"kind": "film", "title": "T", "year": 123456}'),
        ("invalid", b"row:r1", b'{"kind": "genre", "title": "T", "where": {"year_to": 99999}}'),
        ("invalid", b"entity:n1", b'{"kind": "film", "title": "T", "vector": [0.5, 1e39]}'),
        ("invalid", b"entity:n1", b'{"kind": "film", "title": "T", "vector": [-1e30]}'),
        ("invalid", b"row:r1", b'{"kind": "genre", "title": "T", "pinned_position": -1}'),
        ("invalid", b"row:r1", b'{"kind": "genre", "title": "T", "pinned_position": 1e30}'),
        ("invalid", b"row:r1", b'{"kind": "genre"}'),
        ("too-large", b"row:r1", b"x" * (VALUE_LIMIT + 1)),
    ],
)
def test_poison_is_told_by_its_kind(kind: str, key: bytes | None, value: bytes | None) -> None:
    """Nothing of it reaches a snapshot."""
    with pytest.raises(PoisonError) as caught:
        read_change(Message(TOPIC, key, value))
    assert caught.value.kind == kind
