"""A study, as a port: its name, what it asks, and how it finds out."""

from dataclasses import dataclass
from typing import Protocol

from evaluation.studies.findings import Findings
from evaluation.studies.workshop import Workshop


class Run(Protocol):
    """Finds out; whatever takes long goes through the workshop, so that it is done once."""

    def __call__(self, workshop: Workshop) -> Findings:
        """The findings."""
        ...


@dataclass(frozen=True, slots=True)
class Study:
    """``reported`` is what METHOD's source reports, on its own data."""

    name: str
    title: str
    question: str
    reported: str
    run: Run
