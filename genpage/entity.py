"""An entity: anything recommendable."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

EntityKind = Literal["show", "film", "game", "live"]
# Read by pydantic where a noun is parsed: NaN is no time and infinity no duration.
FINITE = {"allow_inf_nan": False}

ENTITY_KINDS: tuple[EntityKind, ...] = get_args(EntityKind)


@dataclass(frozen=True, slots=True)
class Entity:
    """A movie, show, game or live event, as the catalog describes it.

    Times are Unix seconds UTC, durations seconds, ``maturity`` the minimum age in years. Empty
    ``countries`` means everywhere. ``vector`` is the team's own content vector, where it has one.
    """

    __pydantic_config__: ClassVar[dict[str, bool]] = FINITE

    id: str
    kind: EntityKind
    title: str
    synopsis: str = ""
    genres: tuple[str, ...] = ()
    cast: tuple[str, ...] = ()
    year: int | None = None
    languages: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    maturity: int = 0
    released_at: float | None = None
    available_from: float | None = None
    available_until: float | None = None
    duration_s: float | None = None
    live_from: float | None = None
    live_until: float | None = None
    vector: tuple[float, ...] | None = None
