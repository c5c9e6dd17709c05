"""How much a pass over members' days trains on, and how fast."""

from dataclasses import dataclass

from training.bounds import COUNT, COUNT_OR_NONE, POSITIVE, RATE, WEIGHT, check


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

    def __post_init__(self) -> None:
        """Check every value; a wrong one is a `UsageError` naming it."""
        check(
            self,
            lr=RATE,
            passes=COUNT,
            questions=COUNT,
            days=COUNT,
            past=WEIGHT,
            past_days=COUNT_OR_NONE,
            pages=COUNT_OR_NONE,
            page_tokens=COUNT,
            clip=POSITIVE,
        )
