"""An engagement event: what a member did, with what, when."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from genpage.entity import FINITE

Action = Literal[
    "play",
    "abandon",
    "add_to_list",
    "remove_from_list",
    "thumbs_up",
    "thumbs_down",
    "trailer",
    "details",
    "search",
]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Event:
    """One engagement. ``ts`` is Unix seconds UTC, ``duration_s`` the seconds watched.

    ``page_id`` and the positions say where on a served page it happened, if it did.
    """

    __pydantic_config__: ClassVar[dict[str, bool]] = FINITE

    event_id: str
    user_id: str
    entity_id: str
    action: Action
    ts: float
    duration_s: float | None = None
    page_id: str | None = None
    row_id: str | None = None
    row_pos: int | None = None
    col_pos: int | None = None
