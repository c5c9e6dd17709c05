"""How an announced bundle comes to serve: PROTOCOLS' ``rollout``."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

Strategy = Literal["immediate", "canary", "shadow", "manual"]

# Below it a difference between two pages is noise.
SLACK_MS: Final = 20.0

_Ratio = Annotated[float, Field(ge=1.0, le=1_000.0)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True, slots=True)
class Terms:
    """The strategy and its numbers; each has a default.

    ``share``: of the members (canary) or of the pages (shadow) that the bundle gets.
    ``pages`` and ``seconds``: a canary is promoted once it made so many pages and stood so long.
    ``least``: its pages before it is judged at all.
    ``error_margin``, ``short_margin``: by how much its share of failed pages, and of pages with
    fewer rows than asked for, may exceed the active bundle's.
    ``latency_ratio``: what its pages may take of the active bundle's time, as a gate and as a
    canary.
    ``new_lineage``: its vocabulary need not be related to the active bundle's.
    ``again``: try it although these bytes were refused before.
    """

    strategy: Strategy = "immediate"
    share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    pages: Annotated[int, Field(ge=1, le=1_000_000_000)] = 200
    seconds: Annotated[float, Field(ge=0.0, le=30 * 86_400.0)] = 600.0
    least: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    error_margin: _Share = 0.02
    short_margin: _Share = 0.02
    latency_ratio: _Ratio = 2.0
    new_lineage: bool = False
    again: bool = False


def most_ms(active_ms: float, ratio: float) -> float:
    """What a page may take where the active bundle's takes ``active_ms``, by a latency ratio."""
    return ratio * active_ms + SLACK_MS
