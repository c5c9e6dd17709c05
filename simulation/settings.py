"""How large a service is simulated, and when."""

from dataclasses import dataclass

from dataset.day import day_of, day_start
from genpage.catalog import SECONDS_A_DAY
from genpage.errors import UsageError

# The simulated days end here whatever the clock says, so that a seed names one service for ever.
LAST_DAY = "2026-10-31"


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked on construction; a wrong value is a `UsageError` naming it."""

    members: int = 2000
    entities: int = 1500
    days: int = 30
    seed: int = 0
    rows_a_page: int = 10
    entities_a_row: int = 20

    def __post_init__(self) -> None:
        """Check every value."""
        least = {"members": 1, "entities": 60, "days": 1, "seed": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise UsageError(f"--{name} is {getattr(self, name)}; the least is {bound}")

    @property
    def end(self) -> float:
        """When the simulated days end: a UTC midnight, Unix seconds."""
        return day_start(LAST_DAY) + SECONDS_A_DAY

    @property
    def start(self) -> float:
        """When they begin: a UTC midnight, Unix seconds."""
        return self.end - self.days * SECONDS_A_DAY

    def midnight(self, day: int) -> float:
        """The UTC midnight that the simulated day ``day``, from 0, begins with."""
        return self.start + day * SECONDS_A_DAY

    def name(self, day: int) -> str:
        """The simulated day ``day`` as ``2026-10-31``."""
        return day_of(self.midnight(day))
