"""Nouns as JSON documents."""

import random

import pytest
from hypothesis import given
from strategies import World, random_catalog, world, worlds

from genpage.documents import catalog_from_json, catalog_to_json, dump, parse
from genpage.entity import Entity
from genpage.errors import InputError
from genpage.event import Event
from genpage.row import Row


@given(worlds())
def test_a_catalog_survives_its_document(world: World) -> None:
    """Entities, rows and version are the same after the round trip."""
    again = catalog_from_json(catalog_to_json(world.catalog))
    assert again.entities == world.catalog.entities
    assert again.rows == world.catalog.rows
    assert again.version == world.catalog.version


@given(worlds())
def test_events_survive_their_documents(world: World) -> None:
    """An event's document parses back to the event."""
    for event in world.context.events:
        assert parse(Event, dump(event)) == event


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ts": float("nan")}, "ts"),
        ({"ts": "yesterday"}, "ts"),
        ({"action": "dance"}, "action"),
        ({"entity_id": 7}, "entity_id"),
        ({"user_id": None}, "user_id"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], field: str) -> None:
    """The error says which field, so that a producer can mend it."""
    good = {"event_id": "v", "user_id": "u", "entity_id": "e", "action": "play", "ts": 1.0}
    with pytest.raises(InputError, match=field):
        parse(Event, {**good, **change})


def test_a_field_we_do_not_know_is_let_through() -> None:
    """Producers may add fields."""
    assert parse(Entity, {"id": "e", "kind": "film", "title": "T", "studio": "S"}).id == "e"


@pytest.mark.parametrize("document", [None, [], "x", 7])
def test_something_else_than_an_object_is_refused(document: object) -> None:
    """A document that is no object is an input error too."""
    with pytest.raises(InputError):
        parse(Row, document)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"entities": 1, "rows": []}'])
def test_a_broken_catalog_document_is_refused(content: bytes) -> None:
    """What is no catalog never becomes one."""
    with pytest.raises(InputError):
        catalog_from_json(content)


def test_a_duplicated_id_is_refused() -> None:
    """Two entities with one id are an error that names it."""
    catalog = random_catalog(random.Random(1), size=3)
    with pytest.raises(InputError, match="e0"):
        type(catalog).build([*catalog.entities, catalog.entities[0]], catalog.rows)


def test_the_version_names_the_content() -> None:
    """Any change of the catalog changes its version."""
    catalog = world(5000).catalog
    fewer = type(catalog).build(catalog.entities, catalog.rows[:-1])
    assert fewer.version != catalog.version
