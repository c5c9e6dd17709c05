"""How a run of Dr. GRPO trains."""

from dataclasses import dataclass
from typing import get_args

from genpage.errors import UsageError
from training.bounds import COUNT, COUNT_OR_NONE, POSITIVE, RATE, WEIGHT, Bounds, check
from training.rl.dr_grpo import Credit
from training.visits import PageSize

# Later rows are seen by few, and what is learnt of the first ones holds for them too.
_SIZE = PageSize(4, 20)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train. ``visits`` a step, each with ``group`` pages of ``size``."""

    steps: int = 60
    visits: int = 6
    group: int = 8
    size: PageSize = _SIZE
    temperature: float = 0.5
    autoregressive: int = 4
    lr: float = 3e-4
    # Rows' promise and titles' crowding are a few numbers that every page tells of.
    appeal_pace: float = 4.0  # times the rate
    updates: int = 1
    clip: float = 0.2
    kl: float = 0.01
    kl_target: float = 0.1
    credit: Credit = "onward"
    discount: float = 0.95  # of onward credit, a place further down
    pool: int = 512
    days: int = 3
    look_every: int = 10
    look_visits: int = 96
    patience: int = 2
    save_every: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value; a wrong one is a `UsageError` naming it."""
        # A page is held against the others of its group, and a look has an interval.
        several = Bounds(2, whole=True)
        counts = dict.fromkeys(
            (
                *("steps", "visits", "autoregressive", "updates", "pool", "days"),
                *("look_every", "patience", "save_every"),
            ),
            COUNT,
        )
        check(
            self,
            **counts,
            group=several,
            look_visits=several,
            temperature=POSITIVE,
            lr=RATE,
            appeal_pace=WEIGHT,
            clip=RATE,
            kl=WEIGHT,
            kl_target=POSITIVE,
            discount=RATE,
            seed=COUNT_OR_NONE,
        )
        if self.credit not in get_args(Credit):
            known = ", ".join(get_args(Credit))
            raise UsageError(f"credit must be one of {known}, not {self.credit!r}")
