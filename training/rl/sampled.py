"""Groups of pages for visits, and what they are worth: the reward model's word and the form's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from genpage.audit import violations
from genpage.page import Page
from genpage.rules import Rules
from model.appeal import weights_of
from model.network import Network
from model.packing import Packing
from model.sampling import PageSampler, SampledPage, Shape
from tokenizer.appeal import Appeal, PageAppeal
from tokenizer.vocabulary import IntArray
from training.rl.form import Form
from training.rl.policy import Sheet
from training.shown_titles import ShownTitles
from training.visits import Visit, Visits

Values = NDArray[np.float64]


class Valuer(Protocol):
    """What says what a page's titles add: `training.reward_model.PageValues`."""

    def beside(self, visit: Visit) -> PageAppeal | None:
        """What it needs to know of titles for a visit; None: nothing."""
        ...

    def values(self, tokens: torch.Tensor, packing: Packing, titles: ShownTitles) -> torch.Tensor:
        """(K,) what each title adds to its page; the pages are packed as ``tokens`` (T,)."""
        ...


class Truth(Protocol):
    """Who knows what pages are truly worth: a simulated service's judge."""

    def __call__(self, pages: Sequence[Page], visits: Sequence[Visit]) -> Values:
        """(B,) the true expected reward of each page for its visit."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """``values`` (K,) what each pick adds (0 for a row's token), ``form`` (B,) of whole pages."""

    values: torch.Tensor
    form: torch.Tensor
    rewards: torch.Tensor  # (B,) of both


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Where pages come from: the visits' catalog with its tokens, the rules, what is valued."""

    visits: Visits
    rules: Rules
    rows: IntArray
    entities: IntArray
    valuer: Valuer
    form: Form
    # Added to the scores of pages, where the checkpoint learnt any.
    appeal: Appeal | None = None

    def groups(
        self, network: Network, visits: Sequence[Visit], group: int, shape: Shape, seed: int
    ) -> list[SampledPage]:
        """``group`` pages for each visit, side by side; none where the rules allow no row."""
        catalog = self.visits.catalog
        sampler = PageSampler(network, self.rows, self.entities, shape)
        grammars = [v.grammar(catalog, self.rules) for v in visits for _ in range(group)]
        appeals = None
        if self.appeal is not None:
            weights = weights_of(network.state_dict())
            if weights is None:
                raise RuntimeError("an appeal that the network has not. This is a bug.")
            appeal = self.appeal.wearing(weights)
            appeals = [appeal.page(v.context, v.request, v.trends) for v in visits]
        prompts = [visit.prompt for visit in visits]
        return sampler.pages(prompts, grammars, appeals=appeals, seed=seed, to_learn=True)

    def worth(self, pages: Sequence[SampledPage], sheet: Sheet, visits: Sequence[Visit]) -> Worth:
        """What the pages are worth, each for its visit."""
        is_title = ~sheet.is_row
        shown = [entity for page in pages for row in page.rows for entity in row.entities]
        after = sheet.token[is_title]
        titles = ShownTitles(
            torch.from_numpy(self.entities[shown].astype(np.int64)).to(after.device),
            after - sheet.told[is_title].long(),
            after,
            self._beside(pages, visits).to(after.device),
        )
        values = torch.zeros(len(sheet.page), device=after.device)
        values[is_title] = self.valuer.values(sheet.tokens, sheet.packing, titles)
        catalog = self.visits.catalog
        form = torch.tensor(
            [self.form.reward(page.rows, catalog) for page in pages], device=values.device
        )
        sums = torch.zeros(len(pages), device=values.device).index_add(0, sheet.page, values)
        return Worth(values, form, sums + form)

    def _beside(self, pages: Sequence[SampledPage], visits: Sequence[Visit]) -> torch.Tensor:
        """(K,) of the pages' titles."""
        known: dict[int, PageAppeal | None] = {}
        found = []
        for page, visit in zip(pages, visits, strict=True):
            if id(visit) not in known:  # the pages of a group share theirs
                known[id(visit)] = self.valuer.beside(visit)
            told = known[id(visit)]
            rows = [row.entities for row in page.rows]
            count = sum(map(len, rows))
            found.append(np.zeros(count, np.float32) if told is None else told.of_rows(rows))
        return torch.from_numpy(np.concatenate(found).astype(np.float32))

    def broken(self, page: SampledPage, visit: Visit) -> int:
        """How many rules a page breaks, by the auditor that knows nothing of masks."""
        shown = self.visits.page(page)
        catalog = self.visits.catalog
        return len(
            violations(shown, catalog, self.rules, visit.context, visit.request, visit.trends)
        )


def diversity(pages: Sequence[SampledPage], content: NDArray[np.float32]) -> float:
    """The mean pairwise cosine distance of a page's titles; ``content`` (E, C) has unit rows."""
    found = []
    for page in pages:
        titles = content[[entity for row in page.rows for entity in row.entities]]
        count = len(titles)
        if count > 1:
            total = titles.sum(axis=0)
            norms = float(np.square(titles).sum())
            found.append(1.0 - (float(total @ total) - norms) / (count * (count - 1)))
    return float(np.mean(found)) if found else 0.0
