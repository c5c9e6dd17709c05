"""The vocabulary: a fixed block of symbols, then rows and entities in the order they came.

Items are only ever appended, so that a token means the same thing in every descendant of a
vocabulary and a grown model keeps its embeddings. ``digest`` names the content, ``lineage`` the
digests that it grew from, oldest first. A server's own, which grows as titles come and go, begins
`anew` now and then: with the bundle's items, and with tokens that none of its items ever had.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.entity import EntityKind
from genpage.errors import CheckpointError, InputError
from tokenizer.symbols import ITEM_START, ROW_KINDS, SYMBOL_IDS, SYMBOLS

SCHEMA = 1
IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Item:
    """What an item token stands for. ``kind`` is the entity's or the row's kind.

    ``retired`` is an entity whose content changed since, so that it has another token now.
    """

    noun: Literal["row", "entity", "retired"]
    id: str
    kind: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Symbols 0..511, items from 512 on. Immutable: `grown` gives a larger one.

    Tokens from ``settled`` on stand ``gap`` higher: those between were other items', before.
    """

    items: tuple[Item, ...] = ()
    lineage: tuple[str, ...] = ()
    settled: int = 0
    gap: int = 0
    digest: str = field(init=False)
    _entities: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _rows: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settled, gap = self.settled, self.gap
        tokens = {
            (item.noun, item.id): token if token < settled else token + gap
            for token, item in enumerate(self.items, ITEM_START)
        }
        if len(tokens) != len(self.items):
            raise InputError("an item stands twice in the vocabulary; ids are unique")
        entities = {id_: token for (noun, id_), token in tokens.items() if noun == "entity"}
        rows = {id_: token for (noun, id_), token in tokens.items() if noun == "row"}
        # A frozen dataclass sets its derived fields this way.
        object.__setattr__(self, "_entities", MappingProxyType(entities))
        object.__setattr__(self, "_rows", MappingProxyType(rows))
        names = [symbol.name for symbol in SYMBOLS]
        object.__setattr__(self, "digest", _digest(names, _item_lists(self.items), gap))

    @property
    def size(self) -> int:
        """One more than the highest token."""
        return ITEM_START + len(self.items) + self.gap

    @property
    def entity_tokens(self) -> Mapping[str, int]:
        """Entity id -> token, for loops that cannot afford `entity` (read only)."""
        return self._entities

    def symbol(self, name: str) -> int:
        """The token of a symbol; an unknown name is a bug in the caller (`KeyError`)."""
        return SYMBOL_IDS[name]

    def entity(self, entity_id: str, kind: EntityKind | None = None) -> int:
        """The token of an entity; of its kind's fallback where it is unknown."""
        token = self._entities.get(entity_id)
        return _entity_fallback(kind) if token is None else token

    def row(self, row_id: str, kind: str | None = None) -> int:
        """The token of a row; of its kind's fallback where it is unknown."""
        token = self._rows.get(row_id)
        return _row_fallback(kind) if token is None else token

    def is_known_entity(self, entity_id: str) -> bool:
        """Whether the entity has a token of its own."""
        return entity_id in self._entities

    def item(self, token: int) -> Item | None:
        """The row or entity that a token stands for, None for a symbol."""
        lapsed = self.settled <= token < self.settled + self.gap
        if lapsed or not 0 <= token < self.size:
            raise InputError(f"token {token} is outside the vocabulary of {self.size}")
        if token < ITEM_START:
            return None
        return self.items[token - ITEM_START - (self.gap if token >= self.settled else 0)]

    def fallback_of(self, token: int) -> int:
        """The fallback token of an item's type; a symbol is its own."""
        item = self.item(token)
        if item is None:
            return token
        return _fallback(item)

    def fallbacks(self) -> IntArray:
        """(n,) `fallback_of` every token that there is, in order."""
        return np.array([*range(ITEM_START), *(_fallback(item) for item in self.items)], np.int32)

    def word(self, token: int) -> str:
        """A token's name: a symbol's own, ``entity:ID`` or ``row:ID``."""
        item = self.item(token)
        if item is not None:
            return f"{item.noun}:{item.id}"
        return SYMBOLS[token].name if token < len(SYMBOLS) else f"reserved:{token}"

    def item_tokens(self, catalog: Catalog) -> tuple[IntArray, IntArray]:
        """The catalog's tokens: rows (R,), entities (E,); fallbacks where it is newer."""
        rows = [self.row(row.id, row.kind) for row in catalog.rows]
        entities = [self.entity(entity.id, entity.kind) for entity in catalog.entities]
        return np.array(rows, np.int32), np.array(entities, np.int32)

    def grown(self, catalog: Catalog) -> "Vocabulary":
        """With the catalog's unknown rows and entities appended, in catalog order.

        Every known item keeps its id; the same object where there is nothing new.
        """
        fresh = [
            *(Item("row", r.id, r.kind) for r in catalog.rows if r.id not in self._rows),
            *(Item("entity", e.id, e.kind) for e in catalog.entities if e.id not in self._entities),
        ]
        if not fresh:
            return self
        lineage = (*self.lineage, self.digest)
        return replace(self, items=(*self.items, *fresh), lineage=lineage)

    def renewed(self, entity_ids: Collection[str]) -> "Vocabulary":
        """Without those entities: `grown` gives them tokens that nothing was computed for.

        Their old tokens stay what they were, under another name.
        """
        ids = set(entity_ids)
        if not ids:
            return self
        items = tuple(
            Item("retired", f"{n}:{item.id}", item.kind)
            if item.noun == "entity" and item.id in ids
            else item
            for n, item in enumerate(self.items)
        )
        return replace(self, items=items, lineage=(*self.lineage, self.digest))

    def anew(self, token: int) -> "Vocabulary":
        """With these items; what it grows by gets tokens from ``token`` on."""
        lineage = (*self.lineage, self.digest)
        return Vocabulary(self.items, lineage, settled=self.size, gap=token - self.size)

    def to_json(self) -> bytes:
        """One JSON document; `from_json` reads it. Not for one that began `anew`."""
        document = {
            "schema": SCHEMA,
            "digest": self.digest,
            "lineage": self.lineage,
            "symbols": [symbol.name for symbol in SYMBOLS],
            "items": _item_lists(self.items),
        }
        return orjson.dumps(document)

    @classmethod
    def from_json(cls, content: bytes) -> "Vocabulary":
        """The vocabulary of `to_json`; anything else is a `CheckpointError`.

        One written before symbols were appended to the block is taken over as its descendant; one
        with other or more symbols than this version knows is refused.
        """
        try:
            document = orjson.loads(content)
            schema, symbols, digest = document["schema"], document["symbols"], document["digest"]
            lineage, lists = tuple(document["lineage"]), document["items"]
            items = tuple(Item(*fields) for fields in lists)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise CheckpointError(f"the vocabulary is unreadable: {error!r}") from error
        known = [symbol.name for symbol in SYMBOLS]
        if schema != SCHEMA or symbols != known[: len(symbols)]:
            raise CheckpointError(
                "the vocabulary was written by another version of GenPage: its symbols differ; "
                "use the version that trained the checkpoint, or train anew"
            )
        if digest != _digest(symbols, lists):
            raise CheckpointError("the vocabulary's content differs from its digest; copy it again")
        return cls(items, lineage if symbols == known else (*lineage, digest))


def _entity_fallback(kind: str | None) -> int:
    return SYMBOL_IDS["unseen:entity" if kind is None else f"unseen:{kind}"]


def _row_fallback(kind: str | None) -> int:
    return SYMBOL_IDS[f"unseen:row:{kind}" if kind in ROW_KINDS else "unseen:row"]


def _fallback(item: Item) -> int:
    return _row_fallback(item.kind) if item.noun == "row" else _entity_fallback(item.kind)


def _item_lists(items: Sequence[Item]) -> list[list[str]]:
    return [[item.noun, item.id, item.kind] for item in items]


def _digest(symbols: Sequence[str], items: Sequence[Sequence[str]], gap: int = 0) -> str:
    # The same items behind another gap have other tokens.
    return hashlib.sha256(orjson.dumps([symbols, items, *([gap] if gap else [])])).hexdigest()
