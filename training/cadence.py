"""How much a pass over members' days trains on, and how fast."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cadence:
    """How much a pass trains on. ``lr`` is AdamW's peak; ``questions`` a batch's targets.

    A daily pass takes the questions of the newest ``days`` and ``past`` times as many of days drawn
    from the ``past_days`` before; and about ``pages`` pages, new ones and past ones in the same
    proportion: a batch of ``page_tokens`` is not cut.
    """

    lr: float = 1e-3
    passes: int = 1
    questions: int = 256
    days: int = 1
    past: float = 0.5
    past_days: int = 28
    pages: int = 4
    page_tokens: int = 4096
    clip: float = 1.0
