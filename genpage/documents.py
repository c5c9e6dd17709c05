"""The nouns as JSON documents, as they travel on Kafka, over HTTP and in bundles.

Pydantic checks types and rejects NaN and infinities; a wrong document is an `InputError` naming
the field. Fields that the noun does not have are let through and ignored, as PROTOCOLS asks of
messages.
"""

from dataclasses import fields
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.errors import InputError
from genpage.event import Event
from genpage.profile import Profile
from genpage.row import Row, Where

T = TypeVar("T", Entity, Row, Event, Profile)
# A document is JSON: its values are whatever JSON holds.
Document = dict[str, Any]


_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    noun: TypeAdapter(noun) for noun in (Entity, Row, Event, Profile)
}


def parse(noun: type[T], document: object) -> T:
    """The ``noun`` that ``document`` describes; null stands for a field left out."""
    if isinstance(document, dict):
        document = {key: value for key, value in document.items() if value is not None}
    try:
        parsed: T = _ADAPTERS[noun].validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "document"
        raise InputError(f"{noun.__name__.lower()}: {field}: {first['msg']}") from error
    return parsed


def dump(noun: Entity | Row | Event | Profile | Where) -> Document:
    """The JSON document of a noun, without the fields that hold their defaults."""
    document: Document = {}
    for field in fields(noun):
        value = getattr(noun, field.name)
        if value != field.default:
            document[field.name] = dump(value) if isinstance(value, Where) else value
    return document


def catalog_to_json(catalog: Catalog) -> bytes:
    """One JSON document: ``{"entities": [...], "rows": [...]}``."""
    return orjson.dumps(
        {
            "entities": [dump(entity) for entity in catalog.entities],
            "rows": [dump(row) for row in catalog.rows],
        }
    )


def catalog_from_json(content: bytes) -> Catalog:
    """The catalog of `catalog_to_json`."""
    try:
        document = orjson.loads(content)
        entities, rows = list(document["entities"]), list(document["rows"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"not a catalog document: {error}") from error
    return Catalog.build(
        [parse(Entity, entity) for entity in entities], [parse(Row, row) for row in rows]
    )
