"""What a replica says of its bundles, as on ``genpage.checkpoints.status``."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from rollout.refusal import Kind
from rollout.terms import Strategy

Event = Literal["loaded", "rejected", "activated", "rolled back"]


@dataclass(frozen=True, slots=True)
class Named:
    """A bundle: what it is called, and where it came from."""

    version: str
    digest: str
    bundle_uri: str


@dataclass(frozen=True, slots=True)
class Status:
    """Something happened to a bundle on ``replica`` at ``at`` (Unix seconds).

    ``active`` and ``previous`` are what stands afterwards, ``canary`` or ``shadow`` what is tried.
    ``kind`` sorts the reasons of rejections; ``retryable`` ones do not lie in the bundle's bytes.
    """

    replica: str
    event: Event
    version: str | None
    digest: str | None
    bundle_uri: str | None
    at: float
    strategy: Strategy | None = None
    why: str | None = None
    kind: Kind | None = None
    retryable: bool | None = None
    active: Named | None = None
    previous: Named | None = None
    canary: Named | None = None
    shadow: Named | None = None
    swap_s: float | None = None

    # Any: JSON.
    def document(self) -> dict[str, Any]:
        """The JSON document."""
        return asdict(self)
