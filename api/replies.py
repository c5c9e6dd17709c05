"""What the server answers, as schemas for the OpenAPI document; tests hold real answers to them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from genpage.entity import EntityKind
from genpage.event import Action
from genpage.page import FinishReason
from genpage.profile import ProfileType
from tokenizer.grounds import Ground


class Reply(BaseModel):
    """Base of all answers. Fields may be added to them in later versions."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Reply):
    """A wrong field."""

    field: str
    message: str


class ProblemReply(BaseModel):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="names the problem for machines")
    retryable: bool = Field(description="whether the same request may succeed later")
    request_id: str
    errors: list[FieldProblem] = []


class ModelReply(Reply):
    """A bundle."""

    version: str
    digest: str = Field(description="sha256 of the bundle's manifest")


class ContextReply(Reply):
    """The context that a page was made from."""

    version: str = Field(description="changes exactly when an event or profile change is applied")
    age_ms: float | None = Field(description="since the newest applied change")
    known: bool


class Because(Reply):
    """The title that a row refers to."""

    id: str
    title: str


class RowHead(Reply):
    """A row's own data."""

    id: str
    title: str = Field(description="the catalog's")
    kind: str
    because: Because | None = Field(
        default=None, description='of a "because you watched" row, what was watched; else left out'
    )


class CardReply(Reply):
    """An entity on a page."""

    id: str
    title: str
    kind: EntityKind
    year: int | None
    genres: list[str]
    maturity: int


class RowTiming(Reply):
    """When a row was ready."""

    at_ms: float = Field(description="since the page was asked for")


class RowReply(Reply):
    """A row of a page."""

    index: int
    row: RowHead
    entities: list[CardReply]
    timing: RowTiming


class TimingReply(Reply):
    """Where a page's time went."""

    queue_ms: float
    prefill_ms: float
    decode_ms: float
    total_ms: float


class PageReply(Reply):
    """A page: its event stream, gathered. Not over: ``finish_reason`` and ``timing`` are null."""

    page_id: str
    user_id: str
    model: ModelReply
    catalog_version: str
    context: ContextReply
    degraded: list[str] = Field(description="what was away or stale when the page was made")
    entities_per_row: int
    offset: int = Field(description="rows shown before, on the pages that this one continues")
    state: Literal["running", "paused", "finished", "failed"]
    rows: list[RowReply]
    finish_reason: FinishReason | None
    timing: TimingReply | None
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    forward_passes: int | None = None


class EventsReply(Reply):
    """What became of posted events."""

    accepted: int
    event_ids: list[str] = Field(description="in the order posted, made-up ones included")


class EventReply(Reply):
    """A recorded event, as on ``genpage.events``."""

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


class ProfileReply(Reply):
    """A profile."""

    user_id: str
    language: str | None = None
    profile_type: ProfileType = "adult"
    country: str | None = None
    maturity: int = 18
    ts: float = 0.0


class MemberReply(Reply):
    """What is held of a member."""

    user_id: str
    version: str
    age_ms: float | None
    profile: ProfileReply | None
    events: list[EventReply] = Field(description="oldest first")


class LoadedReply(ModelReply):
    """A bundle in memory."""

    created_at: float


class ModelsReply(Reply):
    """The bundles of this server."""

    active: ModelReply | None
    previous: ModelReply | None
    loaded: list[LoadedReply]


class EntityReply(Reply):
    """An entity, as the catalog describes it."""

    id: str
    kind: EntityKind
    title: str
    synopsis: str
    genres: list[str]
    cast: list[str]
    year: int | None
    languages: list[str]
    countries: list[str] = Field(description="empty: everywhere")
    maturity: int
    released_at: float | None
    available_from: float | None
    available_until: float | None
    duration_s: float | None
    live_from: float | None
    live_until: float | None


class EntitiesReply(Reply):
    """Entities asked for by id."""

    entities: list[EntityReply]
    unknown: list[str]


class MemberLine(Reply):
    """A member in the console's list."""

    user_id: str
    known: bool
    version: str
    events: int
    last_ts: float | None
    profile: ProfileReply | None


class MembersReply(Reply):
    """Some of the known members."""

    users: list[MemberLine]


class WordReply(Reply):
    """A token of a prompt, in words."""

    segment: str
    token: int
    text: str


class PromptReply(Reply):
    """What the model saw."""

    page_id: str
    tokens: int
    anchor: float
    words: list[WordReply]
    context: ContextReply
    cached_prompt_tokens: int | None


class GroundReply(Reply):
    """What speaks for a row's titles."""

    ground: Ground = Field(
        description="own: what the member did with these very titles; taste: content and genres "
        "like theirs; fit: language and maturity; moment: hour, device, profile; quality: what was "
        "learnt of each title"
    )
    logits: float = Field(
        description="what a title's appeal would lack without it, above an average title's"
    )


class GenreReply(Reply):
    """A genre that a row is about."""

    genre: str
    yours: int = Field(description="of the member's latest titles")
    of: int = Field(description="how many of those there are, twenty at most")


class FactsReply(Reply):
    """How many of a row's titles are what; counted, and no model asked."""

    titles: int
    begun: int = Field(description="begun and not finished")
    listed: int = Field(description="on the member's list")
    played: int
    trending: int = Field(description="among the hundred most watched now")
    new: int = Field(description="released in the last two weeks")
    genre: GenreReply | None


class NextBestReply(Reply):
    """The row that would have stood there instead."""

    id: str
    title: str
    score: float


class ChoiceReply(Reply):
    """A row's score when it was opened, in logits."""

    score: float
    promise: float = Field(
        description="the part of it that the appeal of its titles brought; the rest is the "
        "sequence model's"
    )
    candidates: int = Field(description="rows that might have stood there; 1: the rules chose it")
    next_best: NextBestReply | None


class RowWhy(Reply):
    """Why a row stands there."""

    index: int
    row_id: str
    choice: ChoiceReply | None
    grounds: list[GroundReply] = Field(description="the strongest first, at most three")
    facts: FactsReply


class WhyReply(Reply):
    """Why each row of a page stands there."""

    page_id: str
    told: bool = Field(
        description="whether the model could be asked: not where its bundle or catalog was "
        "replaced since, nor where it learnt nothing of the moment"
    )
    rows: list[RowWhy]


class ReadyReply(Reply):
    """The state of each part."""

    status: Literal["ready"]
    parts: dict[str, str]


class LiveReply(Reply):
    """The process answers."""

    status: Literal["live"]


class VersionReply(Reply):
    """What runs here."""

    version: str
    model: ModelReply | None
    catalog_version: str | None
    console: bool
    auth: bool
    clock: Annotated[float | None, Field(description="the newest event loaded at the start")]
    processor: Annotated[
        str, Field(description="the architecture, and the instruction sets that products rest on")
    ]
    exact: Annotated[
        bool | None,
        Field(
            description="whether, as tried out with the active bundle's trunk and head at its "
            "loading, pages on this processor are the same bit for bit however they are batched, "
            "cached and cut"
        ),
    ]
