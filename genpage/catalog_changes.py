"""What changed in a catalog since its bundle was exported: documents by id, and withdrawals.

Pure. The same changes give the same catalog on every replica, in whatever order their messages
were read: what is new stands behind the bundle's own, sorted by id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.row import Row

Noun = TypeVar("Noun", Entity, Row)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An entity or row is not to be shown any more."""

    noun: Literal["entity", "row"]
    id: str


Change = Entity | Row | Withdrawal


@dataclass(frozen=True, slots=True)
class CatalogChanges:
    """The last that was said of each entity and row; None is withdrawn. Immutable."""

    entities: Mapping[str, Entity | None] = field(default_factory=dict)
    rows: Mapping[str, Row | None] = field(default_factory=dict)
    withdrawn_entities: frozenset[str] = frozenset()
    withdrawn_rows: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything was ever said."""
        return bool(self.entities or self.rows)

    def then(self, changes: Iterable[Change]) -> "CatalogChanges":
        """With ``changes`` in order, the last of each id holding; itself where nothing differs."""
        entities, rows = dict(self.entities), dict(self.rows)
        for change in changes:
            if isinstance(change, Entity):
                entities[change.id] = change
            elif isinstance(change, Row):
                rows[change.id] = change
            elif change.noun == "entity":
                entities[change.id] = None
            else:
                rows[change.id] = None
        if (entities, rows) == (self.entities, self.rows):
            return self
        return CatalogChanges(
            entities,
            rows,
            frozenset(id_ for id_, entity in entities.items() if entity is None),
            frozenset(id_ for id_, row in rows.items() if row is None),
        )

    def over(self, bundled: Catalog) -> Catalog:
        """The catalog of a bundle with the changes; itself where they change nothing.

        A row names whom it will: those of its entities that the catalog has not stand in it once
        their documents arrive.
        """
        entities = _changed(bundled.entities, self.entities)
        known = {entity.id for entity in entities}
        rows = tuple(_without_unknown(row, known) for row in _changed(bundled.rows, self.rows))
        if entities == bundled.entities and rows == bundled.rows:
            return bundled
        return Catalog.build(entities, rows)


def _changed(bundled: tuple[Noun, ...], said: Mapping[str, Noun | None]) -> tuple[Noun, ...]:
    new = sorted(said.keys() - {noun.id for noun in bundled})
    nouns: list[Noun | None] = [said.get(noun.id, noun) for noun in bundled]
    nouns += [said[id_] for id_ in new]
    return tuple(noun for noun in nouns if noun is not None)


def _without_unknown(row: Row, known: set[str]) -> Row:
    if row.entity_ids is None or known.issuperset(row.entity_ids):
        return row
    return replace(row, entity_ids=tuple(id_ for id_ in row.entity_ids if id_ in known))
