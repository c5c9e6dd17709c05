"""What clients send: request bodies with PROTOCOLS' limits, turned into nouns.

Types are strict (``"10"`` is no number), unknown fields, NaN and infinities are refused, each limit
stands in the message that names it. Decisions where PROTOCOLS is silent:

1. ``at`` needs an offset or ``Z``: a naive time would mean another moment on each machine. It lies
   between 1970 and a year ahead.
2. A repeated id in ``exclude`` says the same twice and is harmless. A repeated ``event_id`` counts
   once, as everywhere.
3. ``engagements`` steer this page alone; ``POST /v1/events`` is what records them. Their
   ``user_id`` may be left out; another member's is refused. None lies behind the request's clock.
"""

import re
import time
import uuid
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from genpage.errors import InputError
from genpage.event import Action, Event
from genpage.request import Device, PageRequest

MAX_BODY_BYTES = 1 << 20
LIST_LIMIT = 1_000
AHEAD_S = 300.0
_YEAR_S = 366 * 86_400.0
_LONGEST_S = 30 * 86_400.0
_ID_LENGTH, _TAG_LENGTH = 128, 35
_TAG = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


def _identifier(value: str) -> str:
    if not 1 <= len(value) <= _ID_LENGTH or not value.isprintable():
        raise ValueError(f"must be 1 to {_ID_LENGTH} printable characters")
    return value


def _locale(value: str) -> str:
    if len(value) > _TAG_LENGTH or not re.fullmatch(_TAG, value):
        raise ValueError(f"must be a BCP 47 tag of at most {_TAG_LENGTH} characters, such as pt-BR")
    return value


def _moment(value: object) -> float:
    """Unix seconds of an ISO 8601 string with an offset."""
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 time as a string, such as 2026-05-01T20:00:00Z")  # noqa: TRY004 - Pydantic wants it
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("is not an ISO 8601 time; write it as in 2026-05-01T20:00:00Z") from error
    if moment.utcoffset() is None:
        raise ValueError("is a naive time; add Z or an offset such as +02:00")
    seconds = moment.timestamp()
    if not 0 <= seconds <= time.time() + _YEAR_S:
        raise ValueError("must lie between 1970 and one year ahead")
    return seconds


def _not_ahead(ts: float) -> float:
    if ts > time.time() + AHEAD_S:
        raise ValueError(
            "lies more than 5 minutes ahead of this server's clock; ts is Unix seconds, UTC"
        )
    return ts


Identifier = Annotated[
    str,
    AfterValidator(_identifier),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": _ID_LENGTH, "pattern": _PRINTABLE}
    ),
]
Moment = Annotated[
    float,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Position = Annotated[int, Field(ge=0, le=10_000)]


class Body(BaseModel):
    """Base of all request bodies."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class EngagementBody(Body):
    """What a member did, as on ``genpage.events``; on the page so far."""

    entity_id: Identifier
    action: Action
    event_id: Identifier | None = Field(None, description="made up by the server where missing")
    user_id: Identifier | None = None
    ts: Annotated[float, Field(ge=0), AfterValidator(_not_ahead)] | None = Field(
        None, description="Unix seconds UTC, at most 5 minutes ahead; now where missing"
    )
    duration_s: Annotated[float, Field(ge=0, le=_LONGEST_S)] | None = Field(
        None, description="seconds watched"
    )
    page_id: Identifier | None = None
    row_id: Identifier | None = None
    row_pos: Position | None = None
    col_pos: Position | None = None

    def event(self, user_id: str, now: float) -> Event:
        """The noun, with what was missing filled in."""
        return Event(
            event_id=self.event_id or uuid.uuid4().hex,
            user_id=user_id,
            entity_id=self.entity_id,
            action=self.action,
            ts=now if self.ts is None else self.ts,
            duration_s=self.duration_s,
            page_id=self.page_id,
            row_id=self.row_id,
            row_pos=self.row_pos,
            col_pos=self.col_pos,
        )


class EventBody(EngagementBody):
    """An engagement event to record."""

    user_id: Identifier


class PageBody(Body):
    """What page to generate."""

    user_id: Identifier
    rows: int = Field(10, ge=1, le=40)
    entities_per_row: int = Field(20, ge=1, le=100)
    device: Device = "web"
    locale: (
        Annotated[
            str,
            AfterValidator(_locale),
            WithJsonSchema({"type": "string", "maxLength": _TAG_LENGTH, "pattern": _TAG}),
        ]
        | None
    ) = Field(None, description="a BCP 47 tag such as pt-BR")
    at: Moment | None = Field(None, description="the request's clock; later events are hidden")
    exclude: list[Identifier] = Field([], max_length=LIST_LIMIT, description="entity ids")
    continue_from: Identifier | None = Field(None, description="give the next rows of this page")
    engagements: list[EngagementBody] = Field(
        [], max_length=LIST_LIMIT, description="events on the page so far; they steer this page"
    )
    deadline_ms: int | None = Field(
        None, ge=1, le=600_000, description="rows that are not ready by then are left out"
    )
    temperature: float = Field(0.0, ge=0, le=10, description="0 is greedy")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of the random stream, above 0")

    def request(self, now: float) -> PageRequest:
        """The noun; `InputError` where an engagement is another member's."""
        at = now if self.at is None else self.at
        for index, engagement in enumerate(self.engagements):
            if engagement.user_id not in {None, self.user_id}:
                raise InputError(f"engagements.{index}.user_id: is not the page's member")
        return PageRequest(
            user_id=self.user_id,
            at=at,
            rows=self.rows,
            entities_per_row=self.entities_per_row,
            device=self.device,
            locale=self.locale,
            exclude=frozenset(self.exclude),
            engagements=tuple(_by(at, e.event(self.user_id, at)) for e in self.engagements),
            temperature=self.temperature,
            seed=self.seed,
        )


def _by(at: float, event: Event) -> Event:
    """The event, no later than ``at``: it was seen before the page was asked for."""
    return event if event.ts <= at else replace(event, ts=at)


def _one_or_list(value: object) -> Literal["<event>", "<list>"]:
    return "<list>" if isinstance(value, list) else "<event>"


# The tags stand in angle brackets, so that `problems.field_name` leaves them out.
EventsBody = Annotated[
    Annotated[EventBody, Tag("<event>")]
    | Annotated[list[EventBody], Field(min_length=1, max_length=LIST_LIMIT), Tag("<list>")],
    Discriminator(_one_or_list),
]
