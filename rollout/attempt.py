"""One announcement on its way: what became of it so far."""

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from rollout.announcement import Announcement
from rollout.refusal import LASTING, Kind, RefusedError

State = Literal[
    "waiting", "fetching", "loading", "judging", "on trial", "loaded", "active", "rejected",
    "rolled back", "replaced",
]  # fmt: skip


@dataclass(slots=True, eq=False)
class Attempt:
    """Mutable; the rollout owns it. ``at`` is its latest change, Unix seconds."""

    announcement: Announcement
    at: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: State = "waiting"
    version: str | None = None
    digest: str | None = None
    why: str | None = None
    kind: Kind | None = None
    # False once it is to stop, whatever it is at; read by threads.
    wanted: bool = True
    # Set once something newer was announced, or somebody decided otherwise.
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    # Whether it will be tried again by itself.
    coming_again: bool = False
    # How often it was tried again by itself.
    tries: int = 0

    def __post_init__(self) -> None:
        self.version, self.digest = self.announcement.version, self.announcement.digest

    def is_twin(self, announcement: Announcement) -> bool:
        """Whether it is the same message once more."""
        return announcement == self.announcement

    def refuse(self, error: RefusedError) -> None:
        """It does not come to serve."""
        self.state, self.why, self.kind = "rejected", str(error), error.kind

    def begin_again(self) -> None:
        """It waits for its turn once more."""
        self.coming_again = False
        self.state, self.why, self.kind = "waiting", None, None

    def give_up(self) -> None:
        """Nobody wants it any more, after a restart neither."""
        self.wanted, self.coming_again = False, False
        self.given_up.set()

    @property
    def retryable(self) -> bool | None:
        """Whether the same bytes may come to serve later; None unless rejected."""
        return None if self.kind is None else self.kind not in LASTING

    @property
    def settled(self) -> bool:
        """Whether it need not be taken up again after a restart."""
        if self.given_up.is_set():
            return True
        if self.state == "rejected":
            return self.kind == "superseded" or self.retryable is False
        return self.state in {"active", "rolled back", "replaced"}

    # Any: JSON.
    def document(self) -> dict[str, Any]:
        """For people."""
        return {
            "id": self.id,
            "state": self.state,
            "version": self.version,
            "digest": self.digest,
            "bundle_uri": self.announcement.bundle_uri,
            "strategy": self.announcement.rollout.strategy,
            "created_at": self.announcement.created_at,
            "at": self.at,
            "why": self.why,
            "kind": self.kind,
            "retryable": self.retryable,
        }
