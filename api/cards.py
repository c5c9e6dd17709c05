"""What of an entity or a row goes over the wire, serialised once a catalog snapshot."""

from collections.abc import Sequence

import orjson

from genpage.catalog import Catalog
from genpage.entity import Entity
from genpage.row import Row


class Cards:
    """JSON fragments of one catalog's entities and rows, made when first asked for.

    Owned by the event loop. Memory: some 150 bytes for each entity that was ever on a page.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._entities: list[orjson.Fragment | None] = [None] * len(catalog.entities)
        self._rows = [orjson.Fragment(orjson.dumps(head(row))) for row in catalog.rows]

    def row(
        self,
        index: int,
        row: int,
        entities: Sequence[int],
        at_ms: float,
        because: Entity | None = None,
    ) -> bytes:
        """The ``row`` document: ``index`` is its place on this page, the rest catalog indices.

        ``because`` is the title that the row refers to.
        """
        named = self._rows[row] if because is None else head(self.catalog.rows[row], because)
        return orjson.dumps(
            {
                "index": index,
                "row": named,
                "entities": [self._entities[e] or self._make(e) for e in entities],
                "timing": {"at_ms": round(at_ms, 3)},
            }
        )

    def _make(self, index: int) -> orjson.Fragment:
        fragment = orjson.Fragment(orjson.dumps(card(self.catalog.entities[index])))
        self._entities[index] = fragment
        return fragment


def head(row: Row, because: Entity | None = None) -> dict[str, object]:
    """What a page says of a row."""
    said: dict[str, object] = {"id": row.id, "title": row.title, "kind": row.kind}
    if because is not None:
        said["because"] = {"id": because.id, "title": because.title}
    return said


def card(entity: Entity) -> dict[str, object]:
    """What a page says of an entity."""
    return {
        "id": entity.id,
        "title": entity.title,
        "kind": entity.kind,
        "year": entity.year,
        "genres": entity.genres,
        "maturity": entity.maturity,
    }
