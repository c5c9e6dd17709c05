"""An immutable catalog snapshot: entities and rows, and the columns that the rules read.

Shape legend: E entities, R rows, G genres, C countries. *Catalog index* means a position in
``entities`` or ``rows``; rules, grammar and scores live in that space, tokens do not.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genpage.entity import ENTITY_KINDS, Entity
from genpage.errors import InputError
from genpage.row import MEMBER_ROW_KINDS, Row, Where

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Catalog:
    """Entities and rows in a fixed order. Build one with `Catalog.build`."""

    entities: tuple[Entity, ...]
    rows: tuple[Row, ...]
    entity_positions: Mapping[str, int]
    row_positions: Mapping[str, int]

    @classmethod
    def build(cls, entities: Iterable[Entity], rows: Iterable[Row]) -> "Catalog":
        """A snapshot; a duplicated id or a row naming an unknown entity is an `InputError`."""
        entities, rows = tuple(entities), tuple(rows)
        entity_positions = _positions("entity", [entity.id for entity in entities])
        row_positions = _positions("row", [row.id for row in rows])
        return cls(entities, rows, entity_positions, row_positions)

    def entity_index(self, entity_id: str) -> int | None:
        """Catalog index of an entity, None where the catalog lacks it."""
        return self.entity_positions.get(entity_id)

    def row_index(self, row_id: str) -> int | None:
        """Catalog index of a row, None where the catalog lacks it."""
        return self.row_positions.get(row_id)

    def indices(self, entity_ids: Iterable[str]) -> tuple[int, ...]:
        """Catalog indices of those ids that the catalog has, in the given order."""
        found = (self.entity_positions.get(entity_id) for entity_id in entity_ids)
        return tuple(index for index in found if index is not None)

    @cached_property
    def version(self) -> str:
        """Names the content: 12 hexadecimal digits of its digest."""
        digest = hashlib.sha256()
        for noun in (*self.entities, *self.rows):
            digest.update(repr(noun).encode())
        return digest.hexdigest()[:12]

    def prepare(self) -> None:
        """Build all columns now, so that no request waits for them."""
        for name, kept in vars(Catalog).items():
            if isinstance(kept, cached_property):
                getattr(self, name)

    # The columns below are built once a snapshot, off any request's path.

    @cached_property
    def maturity(self) -> NDArray[np.int16]:
        """(E,) minimum ages."""
        return np.array([entity.maturity for entity in self.entities], np.int16)

    @cached_property
    def kind(self) -> NDArray[np.int8]:
        """(E,) positions in `ENTITY_KINDS`."""
        return np.array([ENTITY_KINDS.index(e.kind) for e in self.entities], np.int8)

    @cached_property
    def released_at(self) -> FloatArray:
        """(E,) release times, NaN where unknown."""
        return _times(entity.released_at for entity in self.entities)

    @cached_property
    def opens(self) -> FloatArray:
        """(E,) from when each may be shown: the licence window's start, -inf where open."""
        return np.nan_to_num(_times(e.available_from for e in self.entities), nan=-np.inf)

    @cached_property
    def closes(self) -> FloatArray:
        """(E,) until when each may be shown: the earlier of licence end and live end."""
        licence = np.nan_to_num(_times(e.available_until for e in self.entities), nan=np.inf)
        live = np.nan_to_num(_times(e.live_until for e in self.entities), nan=np.inf)
        return np.minimum(licence, live)

    @cached_property
    def live_from(self) -> FloatArray:
        """(E,) when a live event starts, NaN for what is not live."""
        return _times(entity.live_from for entity in self.entities)

    @cached_property
    def moments(self) -> FloatArray:
        """Sorted times at which an entity comes or goes."""
        times = np.concatenate([self.released_at, self.opens, self.closes])
        return np.unique(times[np.isfinite(times)])

    @cached_property
    def live_moments(self) -> FloatArray:
        """Sorted times at which live events start."""
        return np.unique(self.live_from[np.isfinite(self.live_from)])

    @cached_property
    def everywhere(self) -> BoolArray:
        """(E,) entities without country limits."""
        return np.array([not entity.countries for entity in self.entities], np.bool_)

    @cached_property
    def by_country(self) -> Mapping[str, BoolArray]:
        """Country -> (E,) the entities that may be shown there."""
        held = _by_name([entity.countries for entity in self.entities])
        return {name: self.everywhere | mask for name, mask in held.items()}

    @cached_property
    def by_genre(self) -> Mapping[str, BoolArray]:
        """Genre -> (E,) the entities that have it."""
        return _by_name([entity.genres for entity in self.entities])

    @cached_property
    def by_language(self) -> Mapping[str, BoolArray]:
        """Language -> (E,) the entities that are to be had in it."""
        return _by_name([entity.languages for entity in self.entities])

    @cached_property
    def year(self) -> FloatArray:
        """(E,) years, NaN where unknown."""
        return _times(entity.year for entity in self.entities)

    @cached_property
    def genre_matrix(self) -> NDArray[np.float32]:
        """(E, G) one where an entity has a genre, genres sorted."""
        if not self.by_genre:
            return np.zeros((len(self.entities), 0), np.float32)
        return np.stack(list(self.by_genre.values()), axis=1).astype(np.float32)

    @cached_property
    def genre_counts(self) -> NDArray[np.float32]:
        """(E,) how many genres each entity has."""
        counts: NDArray[np.float32] = self.genre_matrix.sum(axis=1)
        return counts

    @cached_property
    def membership(self) -> BoolArray:
        """(R, E) who may stand in which row by the catalog alone.

        Rows that a member or the counts fill are all False here, and conditions on the request's
        time are left open; `rows_at` closes them.
        """
        matrix = np.zeros((len(self.rows), len(self.entities)), np.bool_)
        for index, row in enumerate(self.rows):
            matrix[index] = self._members(row)
        return matrix

    @cached_property
    def timed_rows(self) -> tuple[tuple[int, float], ...]:
        """The rows with ``released_within_days``: (row, seconds)."""
        return tuple(
            (index, row.where.released_within_days * SECONDS_A_DAY)
            for index, row in enumerate(self.rows)
            if row.where is not None and row.where.released_within_days is not None
        )

    def rows_at(self, at: float, entities: NDArray[np.int32] | None = None) -> BoolArray:
        """(R, E) membership for a request at time ``at``; a copy that the caller may change.

        (R, k) of some entities (k,), where they are given.
        """
        released = self.released_at
        if entities is None:
            matrix = self.membership.copy()
        else:
            matrix, released = self.membership.take(entities, axis=1), released[entities]
        for row, window in self.timed_rows:
            matrix[row] &= (released <= at) & (released >= at - window)
        return matrix

    def _members(self, row: Row) -> BoolArray:
        if row.entity_ids is not None:
            members = np.zeros(len(self.entities), np.bool_)
            for entity_id in row.entity_ids:
                index = self.entity_index(entity_id)
                if index is None:
                    raise InputError(f"row {row.id!r} names the unknown entity {entity_id!r}")
                members[index] = True
            return members
        if row.kind in MEMBER_ROW_KINDS:
            return np.zeros(len(self.entities), np.bool_)
        return self._selected(row.where or Where())

    def _selected(self, where: Where) -> BoolArray:
        size = len(self.entities)
        none = np.zeros(size, np.bool_)
        chosen = np.ones(size, np.bool_)
        for genre in where.genres_all:
            chosen &= self.by_genre.get(genre, none)
        if where.genres_any:
            chosen &= np.any([self.by_genre.get(name, none) for name in where.genres_any], axis=0)
        if where.kinds:
            chosen &= np.isin(self.kind, [ENTITY_KINDS.index(kind) for kind in where.kinds])
        if where.year_from is not None:
            chosen &= self.year >= where.year_from
        if where.year_to is not None:
            chosen &= self.year <= where.year_to
        if where.languages:
            spoken = [self.by_language.get(name, none) for name in where.languages]
            chosen &= np.any(spoken, axis=0)
        return chosen


def _positions(noun: str, ids: Sequence[str]) -> dict[str, int]:
    positions = {identifier: index for index, identifier in enumerate(ids)}
    if len(positions) < len(ids):
        twice = next(i for index, i in enumerate(ids) if positions[i] != index)
        raise InputError(f"the {noun} id {twice!r} stands twice in the catalog; ids are unique")
    return positions


def _times(values: Iterable[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _by_name(lists: Sequence[Sequence[str]]) -> dict[str, BoolArray]:
    """Name -> (E,) whose list has it, by name; each list is walked once."""
    places: dict[str, list[int]] = {}
    for place, names in enumerate(lists):
        for name in names:
            places.setdefault(name, []).append(place)
    masks = {}
    for name in sorted(places):
        mask = masks[name] = np.zeros(len(lists), np.bool_)
        mask[places[name]] = True
    return masks
