"""What operators are answered, as schemas for the OpenAPI document."""

from typing import Any

from pydantic import Field

from api.replies import ModelReply, Reply
from rollout.attempt import State
from rollout.refusal import Kind
from rollout.status import Status
from rollout.terms import Strategy


class AttemptReply(Reply):
    """A bundle that was announced, and what became of it."""

    id: str
    state: State
    version: str | None = Field(description="the manifest's, once that was read")
    digest: str | None
    bundle_uri: str
    strategy: Strategy
    created_at: float = Field(description="when it was announced, Unix seconds")
    at: float = Field(description="when its state changed last, Unix seconds")
    why: str | None
    kind: Kind | None = Field(description="of a refusal")
    retryable: bool | None = Field(description="whether the same bytes may be announced again")


class AttemptsReply(Reply):
    """The latest, oldest first."""

    checkpoints: list[AttemptReply]


class RolloutReply(Reply):
    """Who serves what here, and why."""

    replica: str
    active: ModelReply | None
    previous: ModelReply | None = Field(description="what a rollback gives")
    # Any: by strategy.
    trial: dict[str, Any] | None = Field(description="the canary or shadow that goes on")
    swaps: int
    rolled_back: int
    refused: int
    last_swap_s: float | None = Field(description="from announcement to new pages")
    last_activation_s: float | None
    statuses: list[Status] = Field(description="the latest, oldest first")


class SwitchReply(Reply):
    """Which version makes new pages from now on."""

    version: str
    active: ModelReply | None
    previous: ModelReply | None
    activation_ms: float
