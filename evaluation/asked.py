"""A model that is asked for next titles, and what it was trained on."""

from dataclasses import dataclass

from evaluation.scorer import NextItemScorer
from evaluation.source import Period
from model.trained_on import TrainedOn


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A scorer; ``trained_on`` is None for weights that no data has touched."""

    scorer: NextItemScorer
    trained_on: TrainedOn | None

    def warning(self, period: Period) -> str | None:
        """What to say where the model was trained on a day of the period; None where it was not."""
        days = self.trained_on
        if days is None or not days.meets(period.first, period.last):
            return None
        return (
            f"the model was trained on {days.first} to {days.last}, and some of these days are "
            "asked about: its figures flatter it"
        )
