"""What rounding to int8 costs real members, and whether that is little enough for a bundle to be.

Beside float32 of the same weights, through the same engine: the pages of a seeded sample of the
data's members, and what is asked as in next-item evaluation, of other members one question each,
so that a few hundred tell as much as thousands of the same few. Days that the model has learnt may
be among them: both sides have. What counts as little:

- pages: of a page's titles, and of its rows, so many on the member's float32 page too: a quarter of
  the way from what any two members share to all of them. Where members share little, at least .6;
  where they share nearly all, .9 is enough.
- next titles: HR@10 no more than a hundredth below float32's, unless chance may explain it: the
  95% interval of the difference must not lie wholly below that.

The figures of a sound int8 model are in docs/performance.md.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from dataset.folder import DataFolder
from evaluation.bundle_scorer import BundleScorer
from evaluation.intervals import difference_of
from evaluation.metrics import Values, gains
from evaluation.next_item import model_ranks
from evaluation.pages import between_members
from evaluation.sample import sample_members
from evaluation.source import Period, Source
from evaluation.targets import Targets, targets_between
from export.agreement import Agreement
from genpage.errors import DatasetError, ParityError
from genpage.page import Page
from genpage.trends import Trends
from runtime.cases import Member
from runtime.manifest import Rounding
from runtime.model import LoadedModel
from runtime.offline import generate

NEARER = 0.25
LEAST_SHARED, ENOUGH_SHARED = 0.6, 0.9
HR10_LOSS = 0.01
ROWS = 10
ENTITIES_PER_ROW = 20


@dataclass(frozen=True, slots=True, eq=False)
class MembersTrial:
    """An `export.bundle.Trial` on members of a data folder."""

    members: list[Member]
    source: Source
    targets: Targets

    @classmethod
    def read(cls, data: Path, *, members: int, seed: int = 0) -> Self:
        """Of so many members; `DatasetError` where the last four weeks leave nobody to ask."""
        sampled = sample_members(
            data, members=members, rows=ROWS, entities_per_row=ENTITIES_PER_ROW, seed=seed
        )
        folder = DataFolder(data)
        period = Period.of(folder, None, None)
        source = Source.read(folder, period.last)
        targets = targets_between(source.log, period.start, period.end)
        if not len(targets):
            raise DatasetError(
                f"{data} has no event to ask about from {period.first} on: it takes members with 5 "
                "earlier events and titles that somebody had before"
            )
        return cls(sampled, source, targets.newest(members, seed=seed))

    def __call__(
        self, rounded: LoadedModel, exact: LoadedModel, done: Callable[[float], None]
    ) -> Rounding:
        """What it costs; `ParityError` where that is too much. Both models are used up by it."""
        steps, over = 0, len(self.members) + 4 * len(self.targets)

        def told(more: int = 1) -> None:
            nonlocal steps
            steps += more
            done(steps / over)

        found = rounding(
            *self._pages(rounded, exact, told),
            # Targets are one a member.
            hits=self._hits(rounded, told),
            exact_hits=self._hits(exact, told),
        )
        refuse_rounding(found)
        return found

    def _pages(
        self, rounded: LoadedModel, exact: LoadedModel, told: Callable[[], None]
    ) -> tuple[Agreement, Agreement]:
        """Of rounded pages with float32's, and of float32's with each other."""
        agreement, pages = Agreement(), list[Page]()
        pairs = zip(generate(rounded, self.members), generate(exact, self.members), strict=True)
        for given, expected in pairs:
            agreement.add(given, expected)
            pages.append(expected)
            told()
        return agreement, between_members(pages)

    def _hits(self, model: LoadedModel, told: Callable[[int], None]) -> Values:
        """(n,) 1 where the title is among the first ten."""
        catalog = self.source.catalog
        scorer = BundleScorer(model.with_catalog(catalog, Trends.none(catalog)))
        own = [self.targets.own(index) for index in range(len(self.targets))]
        return gains(model_ranks(scorer, self.source, self.targets, own, told))[:, 0]


def rounding(pages: Agreement, between: Agreement, *, hits: Values, exact_hits: Values) -> Rounding:
    """The figures, of hits (n,) of one question a member."""
    members = np.arange(len(hits))
    change = difference_of(hits, exact_hits, members)
    return Rounding(
        pages=pages.pages,
        pages_equal=pages.identical,
        **asdict(pages.likeness),
        titles_between=between.likeness.titles_shared,
        rows_between=between.likeness.rows_shared,
        questions=len(hits),
        hr10=float(hits.mean()),
        hr10_float=float(exact_hits.mean()),
        hr10_change=change.value,
        hr10_change_ci95=change.ci95,
    )


def refuse_rounding(found: Rounding) -> None:
    """`ParityError` where rounding costs members too much."""
    why = "; nothing was written. Try --precision fp32."
    for what, share, between in (
        ("titles", found.titles_shared, found.titles_between),
        ("rows", found.rows_shared, found.rows_between),
    ):
        nearer = between + NEARER * (1 - between)
        least = min(ENOUGH_SHARED, max(LEAST_SHARED, nearer))
        # Written so that a figure that is no number fails too.
        if not share >= least:
            raise ParityError(
                f"int8 changes {found.pages} members' pages too much: {share:.1%} of the {what} "
                f"are on float32's pages too, where {least:.1%} is the least (any two members "
                f"share {between:.1%}){why}"
            )
    low, high = found.hr10_change_ci95
    if not high >= -HR10_LOSS:
        raise ParityError(
            f"int8 finds members' next titles less often: HR@10 {found.hr10:.3f}, where float32's "
            f"is {found.hr10_float:.3f} ({found.questions} members; 95% of the difference: "
            f"{low:+.3f} to {high:+.3f}, where {-HR10_LOSS:+.3f} is allowed){why}"
        )
