"""Pages a second, added up over waves."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Rate:
    """Pages and the seconds that they took so far."""

    pages: int = 0
    seconds: float = 0.0

    def add(self, pages: int, seconds: float) -> None:
        """One more wave."""
        self.pages += pages
        self.seconds += seconds

    @property
    def per_s(self) -> float | None:
        """Pages a second; None before the first."""
        return round(self.pages / self.seconds, 3) if self.pages else None


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one way to make pages."""

    cold: Rate = field(default_factory=Rate)
    warm: Rate = field(default_factory=Rate)

    def document(self) -> dict[str, float | None]:
        """Pages a second."""
        return {"cold_per_s": self.cold.per_s, "warm_per_s": self.warm.per_s}
