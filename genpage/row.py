"""A row: a titled, ordered list of entities; and what may stand in it."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from genpage.entity import FINITE, EntityKind

# These are filled from the member's own context or from the counts, not from the catalog alone.
MemberRowKind = Literal["continue", "my_list", "because", "trending"]
MEMBER_ROW_KINDS: tuple[MemberRowKind, ...] = get_args(MemberRowKind)


@dataclass(frozen=True, slots=True)
class Where:
    """Selects entities; the conditions that are set must all hold.

    ``released_within_days`` is counted back from the request's time, so that a "new" row moves on.
    """

    __pydantic_config__: ClassVar[dict[str, bool]] = FINITE

    genres_all: tuple[str, ...] = ()
    genres_any: tuple[str, ...] = ()
    kinds: tuple[EntityKind, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    released_within_days: float | None = None
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the catalog.

    ``kind`` is free (``genre``, ``decade``, ``new``...) but for the `MemberRowKind` names. Its
    members are ``entity_ids`` where given, else those that ``where`` selects, else (no condition
    at all) every entity. ``pinned_position`` fixes its place on the page, from 0.
    """

    __pydantic_config__: ClassVar[dict[str, bool]] = FINITE

    id: str
    kind: str
    title: str
    where: Where | None = None
    entity_ids: tuple[str, ...] | None = None
    pinned_position: int | None = None
