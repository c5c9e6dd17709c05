"""Pages as a checkpoint decides them: what was chosen where, and what the trunk knew there.

A *decision* is a choice that gives tokens of the sequence: a row's opening, a title, all that fill
a row. The tail of a short row (`tokenizer.page`) gives none, and is none.

Shape legend: n items of a page's sequence, D decisions of it, W width of the trunk, R rows of the
catalog. An *item* is a row by its catalog index, or R + an entity's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.appealing import appeal_over
from model.checkpoint import Checkpoint
from model.network import Network
from model.packing import Packing
from model.sampling import PageSampler, SampledPage, Shape
from tokenizer.appeal import Appeal, PageAppeal
from training.visits import Visit, Visits

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
# Pages that are sampled at once; the sampler's caches grow with it.
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice: of a row's opening or of titles, and whether it is a decision."""

    opens: bool
    picks: tuple[int, ...]  # catalog indices
    decides: bool


@dataclass(frozen=True, slots=True, eq=False)
class DecidedPage:
    """A page's sequence by items, its choices and its decisions.

    ``first`` (D,) is where the first item of each decision stands, ``number`` (D,) which of its
    row's it is (0 opens the row), ``hidden`` (D, W) what the trunk knew there.
    """

    visit: Visit
    items: IntArray  # (n,)
    choices: tuple[Chosen, ...]
    first: IntArray
    number: IntArray
    hidden: FloatArray

    @property
    def decided(self) -> IntArray:
        """(D,) the item that each decision put first."""
        return self.items[self.first]


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """What a decision was between: items (k,), and what was added to their scores (k,)."""

    items: IntArray
    added: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Deciding:
    """A checkpoint that decides the pages of visits, greedily, as it is served."""

    checkpoint: Checkpoint  # over the visits' catalog
    network: Network
    visits: Visits
    appeal: Appeal | None
    autoregressive: int

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, network: Network, visits: Visits, autoregressive: int
    ) -> "Deciding":
        """``network`` is the checkpoint's, on the device that is to decide."""
        appeal = appeal_over(checkpoint, visits.catalog)
        return cls(checkpoint, network, visits, appeal, autoregressive)

    def pages(self) -> Iterator[DecidedPage | None]:
        """A page for each visit, in order; None where the rules allow no row."""
        rows, entities = self.checkpoint.vocabulary.item_tokens(self.visits.catalog)
        every = self.visits.visits
        for begin in range(0, len(every), _AT_ONCE):
            visits = every[begin : begin + _AT_ONCE]
            shape = Shape(
                max(visit.request.rows for visit in visits),
                self.autoregressive,
                temperature=0.0,
                serialised=self.checkpoint.serialised,
            )
            sampled = PageSampler(self.network, rows, entities, shape).pages(
                [visit.prompt for visit in visits],
                [visit.grammar(self.visits.catalog, self.checkpoint.rules) for visit in visits],
                appeals=[self._appeal(visit) for visit in visits],
            )
            for visit, page in zip(visits, sampled, strict=True):
                yield self._decided(visit, page) if page.choices else None

    def between(self, page: DecidedPage) -> Iterator[Open]:
        """What each decision of a page was between.

        Told again rather than kept: of a large catalog it is far more than the pages are.
        """
        catalog = self.visits.catalog
        grammar = page.visit.grammar(catalog, self.checkpoint.rules)
        appeal = self._appeal(page.visit)
        for choice in page.choices:
            allowed = grammar.allowed_rows() if choice.opens else grammar.allowed_entities()
            if choice.decides:
                added = np.zeros(len(allowed), np.float32)
                if appeal is not None:
                    told = appeal.rows if choice.opens else appeal.added
                    added = told(grammar, allowed)
                yield Open(allowed if choice.opens else allowed + len(catalog.rows), added)
            if choice.opens:
                grammar.open_row(choice.picks[0])
            else:
                grammar.extend(list(choice.picks))

    def _appeal(self, visit: Visit) -> PageAppeal | None:
        if self.appeal is None:
            return None
        return self.appeal.page(visit.context, visit.request, visit.trends).fresh()

    @torch.inference_mode()
    def _decided(self, visit: Visit, page: SampledPage) -> DecidedPage:
        rows, told = len(self.visits.catalog.rows), self.checkpoint.serialised
        items = np.array(
            [
                item
                for row in page.rows
                for item in (row.row, *(rows + entity for entity in row.entities[:told]))
            ],
            np.int32,
        )
        choices: list[Chosen] = []
        first: list[int] = []
        number: list[int] = []
        for choice in page.choices:
            # Behind the token that scored stands what was picked, if it is in the sequence.
            place = choice.position + 1 - page.prompt
            picked = choice.picks[0] + (0 if choice.is_row else rows)
            decides = place < len(items) and int(items[place]) == picked
            choices.append(Chosen(choice.is_row, choice.picks, decides))
            if decides:
                number.append(0 if choice.is_row else number[-1] + 1)
                first.append(place)
        device = self.network.content.device
        tokens = torch.from_numpy(page.tokens.astype(np.int64)).to(device)
        hidden = self.network.hidden(tokens, Packing.single(len(tokens)))
        before = torch.tensor(first, device=device) + page.prompt - 1
        return DecidedPage(
            visit,
            items,
            tuple(choices),
            np.array(first, np.int32),
            np.array(number, np.int32),
            hidden[before].float().cpu().numpy(),
        )
