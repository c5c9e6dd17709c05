"""The visits that studies judge: the same for every model and for the pipeline.

Shape legend: B visits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from evaluation.policy import Policy
from evaluation.studies.workshop import Workshop
from evaluation.true_reward import decode
from evaluation.variety import numbered
from genpage.audit import violations
from genpage.catalog import Catalog
from genpage.errors import WrongPagesError
from genpage.page import Page
from genpage.rules import Rules
from model.checkpoint import Checkpoint
from model.covering import covering
from simulation.judge import Judge, Showing
from training.visits import PageSize, Visit, Visits

Values = NDArray[np.float64]
SIZE = PageSize(10, 20)


@dataclass(frozen=True, slots=True, eq=False)
class JudgedVisits:
    """Visits of the held-out days, and the judge of whatever is shown on them."""

    catalog: Catalog
    visits: tuple[Visit, ...]
    judge: Judge

    @classmethod
    def of(cls, workshop: Workshop, checkpoint: Checkpoint) -> Self:
        """A seeded sample; prompts are as this checkpoint takes them."""
        data = workshop.data()
        catalog = data.catalog()
        return cls(
            catalog,
            visits_of(workshop, catalog, checkpoint).visits,
            Judge.open(data.path),
        )

    @property
    def members(self) -> NDArray[np.int64]:
        """(B,) whose visits they are, numbered."""
        return numbered([visit.request.user_id for visit in self.visits])

    def rewards(self, pages: Sequence[Page], rules: Rules) -> Values:
        """(B,) the true expected reward of each page; a page that breaks a rule ends the study."""
        for page, visit in zip(pages, self.visits, strict=True):
            broken = violations(
                page, self.catalog, rules, visit.context, visit.request, visit.trends
            )
            if broken:
                raise WrongPagesError(f"a page breaks {broken[0].rule}. This is a bug.")
        return self.judge.rewards(
            [
                Showing(page, visit.request.user_id, visit.request.at, visit.request.device)
                for page, visit in zip(pages, self.visits, strict=True)
            ]
        )


def visits_of(workshop: Workshop, catalog: Catalog, checkpoint: Checkpoint) -> Visits:
    """The sample with the checkpoint's prompts."""
    over = covering(checkpoint, catalog)
    encoder = over.prompts
    scale = workshop.scale
    return Visits.read(
        workshop.data(),
        catalog,
        encoder,
        workshop.held_out(),
        count=scale.visits,
        size=SIZE,
        seed=scale.seed,
    )


def model_pages(
    workshop: Workshop, catalog: Catalog, checkpoint: Checkpoint, *, autoregressive: int = 4
) -> list[Page]:
    """The checkpoint's greedy pages of the sample."""
    over = covering(checkpoint, catalog)
    visits = visits_of(workshop, catalog, checkpoint)
    return decode(over, catalog, visits, Policy(autoregressive=autoregressive))
