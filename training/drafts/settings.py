"""How a draft head is fitted."""

from dataclasses import dataclass, field

from model.drafts import LEAST_WIDTH, MOST_WIDTH
from training.bounds import COUNT, COUNT_OR_NONE, RATE, Bounds, check
from training.visits import PageSize

# Of a fresh head; a step then costs far less than the trunk's.
WIDTH = 64
_WIDTH = Bounds(LEAST_WIDTH, MOST_WIDTH, whole=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to fit. ``depth``: how many decisions behind the next one are foretold.

    ``candidates`` bounds the titles that are told apart while fitting, and with them its memory:
    two bytes for each, for each decision of each page, and while a batch is learnt its scores and
    their gradients, about four times (P, C) float32, where P is up to ``batch`` pages' decisions
    times ``depth``: some 150 MB by default; ``depth`` and larger pages multiply it. Held-out pages
    are judged over all titles.
    """

    pages: int = 480
    held_out: int = 100
    epochs: int = 30
    width: int | None = None  # None: as the checkpoint's head, `WIDTH` of a fresh one
    depth: int = 6
    autoregressive: int = 4
    lr: float = 3e-3
    batch: int = 8  # pages
    days: int = 30  # the newest, that pages are of
    candidates: int = 4096
    size: PageSize = field(default_factory=PageSize)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value; a wrong one is a `UsageError` naming it."""
        counts = dict.fromkeys(
            (
                *("pages", "held_out", "epochs", "depth", "autoregressive"),
                *("batch", "days", "candidates"),
            ),
            COUNT,
        )
        check(self, **counts, width=_WIDTH, lr=RATE, seed=COUNT_OR_NONE)
