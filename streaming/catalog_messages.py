"""Messages on ``genpage.catalog`` as changes of the catalog, and back. Pure.

A row may name entities that nobody knows yet: topics are not ordered among each other, nor keys
among each other where the broker compacted them.
"""

import uuid
from typing import Final

import orjson

from genpage.catalog_changes import Change, Withdrawal
from genpage.documents import Document, dump, parse
from genpage.entity import Entity
from genpage.errors import InputError, PoisonError
from genpage.row import Row, Where
from streaming.cloud_event import headers
from streaming.messages import MOST_MATURITY, PLACE_LIMIT, Message, document_of
from streaming.topics import CATALOG

UPSERTED: Final = "genpage.catalog.upserted"
WITHDRAWN: Final = "genpage.catalog.withdrawn"
ID_LIMIT: Final = 256
MOST_YEAR: Final = 9_999
# Of a title's own vector, each number; its length counts for nothing, and float32 squares this.
MOST_IN_VECTOR: Final = 1e9


def read_change(message: Message) -> Change:
    """What a message says; `PoisonError` where it can never be applied."""
    noun, identifier = _key(message)
    if message.value is None:
        return Withdrawal("entity" if noun == "entity" else "row", identifier)
    document: Document = {"id": identifier, **document_of(message)}
    try:
        read: Entity | Row = parse(Entity, document) if noun == "entity" else parse(Row, document)
    except InputError as error:
        raise PoisonError("invalid", str(error)) from error
    if read.id != identifier:
        raise PoisonError("key", f"the key names {identifier!r}, the document {read.id!r}")
    if isinstance(read, Entity):
        _bounded("maturity", read.maturity, 0, MOST_MATURITY)
        _bounded("year", read.year or 0, -MOST_YEAR, MOST_YEAR)
        for number in read.vector or ():
            _bounded("vector", number, -MOST_IN_VECTOR, MOST_IN_VECTOR)
    else:
        where = read.where or Where()
        _bounded("where.year_from", where.year_from or 0, -MOST_YEAR, MOST_YEAR)
        _bounded("where.year_to", where.year_to or 0, -MOST_YEAR, MOST_YEAR)
        _bounded("pinned_position", read.pinned_position or 0, 0, PLACE_LIMIT)
    return read


def of_change(change: Change, now: float) -> Message:
    """The message that makes every replica take up a change."""
    if isinstance(change, Withdrawal):
        about = headers(WITHDRAWN, uuid.uuid4().hex, now, data=False)
        return Message(CATALOG.name, f"{change.noun}:{change.id}".encode(), None, about)
    noun = "entity" if isinstance(change, Entity) else "row"
    about = headers(UPSERTED, uuid.uuid4().hex, now)
    key = f"{noun}:{change.id}".encode()
    return Message(CATALOG.name, key, orjson.dumps(dump(change)), about)


def _bounded(name: str, value: float, least: float, most: float) -> None:
    """A number that no column could hold would cost the whole snapshot, not its own title."""
    if not least <= value <= most:
        raise PoisonError("invalid", f"{name}: must lie between {least:g} and {most:g}")


def _key(message: Message) -> tuple[str, str]:
    if message.key is None:
        raise PoisonError("key", "there is no key; it must be entity:<id> or row:<id>")
    try:
        noun, colon, identifier = message.key.decode().partition(":")
    except UnicodeDecodeError as error:
        raise PoisonError("key", "the key is not UTF-8") from error
    if noun not in {"entity", "row"} or not colon:
        raise PoisonError("key", "the key must be entity:<id> or row:<id>")
    if not 1 <= len(identifier) <= ID_LIMIT or not identifier.isprintable():
        raise PoisonError("key", f"an id must be 1-{ID_LIMIT} printable characters")
    return noun, identifier
