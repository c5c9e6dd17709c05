"""What pages of one kind took: a member's first one, the next one, the one after an act."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.inside import Inside
from benchmarks.spread import Spread


@dataclass(frozen=True, slots=True)
class Parts:
    """Where graphs ran on a page of one kind, medians; see `Inside`."""

    prompt_ms: float
    prompt_runs: float
    prompt_tokens: float
    passes_ms: float
    passes_runs: float
    passes_tokens: float
    head_ms: float

    @classmethod
    def of(cls, pages: Sequence[Inside]) -> "Parts":
        """Of at least one page."""

        def middle(part: str, name: str, scale: float = 1.0) -> float:
            return round(
                float(np.median([getattr(getattr(p, part), name) for p in pages])) * scale, 2
            )

        return cls(
            prompt_ms=middle("prompt", "seconds", 1000),
            prompt_runs=middle("prompt", "runs"),
            prompt_tokens=middle("prompt", "tokens"),
            passes_ms=middle("passes", "seconds", 1000),
            passes_runs=middle("passes", "runs"),
            passes_tokens=middle("passes", "tokens"),
            head_ms=middle("head", "seconds", 1000),
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """Pages of one kind. ``cached_share`` of the prompts' tokens; passes are the median page's."""

    page_ms: Spread
    first_row_ms: Spread
    floor_ms: Spread
    outside_ms: Spread
    cpu_ms: Spread
    parts: Parts
    prompt_tokens: int
    page_tokens: int
    cached_share: float
    forward_passes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The same members, each time."""

    cold: Visit
    returning: Visit
    warm: Visit

    def document(self) -> dict[str, object]:
        """As PROTOCOLS names it, with all of each visit beside."""
        visits = {"cold": self.cold, "warm": self.warm, "returning": self.returning}
        return {
            **{f"{name}_ms": asdict(visit.page_ms) for name, visit in visits.items()},
            "first_row_ms": asdict(self.warm.first_row_ms),
            "forward_passes": self.warm.forward_passes,
            "prompt_tokens": self.warm.prompt_tokens,
            "page_tokens": self.warm.page_tokens,
            "visits": {name: asdict(visit) for name, visit in visits.items()},
        }
