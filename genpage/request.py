"""A page request, after validation at the door."""

from dataclasses import dataclass
from typing import Literal, get_args

from genpage.event import Event

Device = Literal["tv", "phone", "tablet", "web"]
DEVICES: tuple[Device, ...] = get_args(Device)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a client asks for. ``at`` is the request's clock (Unix seconds UTC).

    ``temperature`` 0 is greedy decoding; above it, ``seed`` fixes the random stream.
    ``engagements`` happened on the page that this one continues.
    """

    user_id: str
    at: float
    rows: int = 10
    entities_per_row: int = 20
    device: Device = "web"
    locale: str | None = None
    exclude: frozenset[str] = frozenset()
    engagements: tuple[Event, ...] = ()
    temperature: float = 0.0
    seed: int = 0

    @property
    def country(self) -> str | None:
        """The country of the locale (``pt-BR`` -> ``BR``), None where it names none."""
        parts = (self.locale or "").replace("_", "-").split("-")
        return parts[-1].upper() if len(parts) > 1 else None
