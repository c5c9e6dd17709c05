"""How a run of Dr. GRPO trains."""

from dataclasses import dataclass

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
