"""The pages that a pass over members' days trains on, beside its questions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset.day import day_start
from dataset.folder import DataFolder
from genpage.catalog import SECONDS_A_DAY
from model.checkpoint import Checkpoint
from model.network import Network
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import IntArray
from training.appeal import CandidateTitles
from training.batches import BatchStream
from training.cadence import Cadence
from training.candidates import Candidates
from training.examples import ExampleBuilder
from training.labels import Labels
from training.objective import Objective
from training.pages import FEWEST_TOKENS, Pages
from training.timeline import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class PagesBeside:
    """Pages of one folder, labelled for one objective, as batches for one network."""

    folder: DataFolder
    start: Checkpoint
    objective: Objective
    network: Network
    timeline: Timeline
    encoder: PromptEncoder
    candidates: Candidates
    fallbacks: IntArray
    seed: int

    def newest(self, days: Sequence[str], until: float, cadence: Cadence) -> BatchStream | None:
        """Pages of the newest of the days; None where there is none, or none is asked for."""
        if not cadence.pages:
            return None
        chance, labels = np.random.default_rng((self.seed, 4)), self._labels(until)
        pages = self._drawn(sorted(days, reverse=True), until, labels, _needed(cadence), chance)
        return self._stream(pages, (until - pages.ts) / SECONDS_A_DAY, until, cadence)

    def mixed(
        self, whole: float, until: float, cadence: Cadence, seed: tuple[int, ...]
    ) -> BatchStream | None:
        """Pages of ``[whole, until)`` and some of the days before, in one drawn order.

        None where there is none, or none is asked for.
        """
        if not cadence.pages:
            return None
        chance, labels = np.random.default_rng((*seed, 4)), self._labels(until)
        began = whole - cadence.past_days * SECONDS_A_DAY
        days = [day for day in self.folder.days() if began <= day_start(day) < until]
        newest = [day for day in days if day_start(day) >= whole]
        wanted = math.ceil(_needed(cadence) / (1.0 + cadence.past))
        each = math.ceil(wanted / max(1, len(newest)))
        new = Pages.joined([self._drawn([day], until, labels, each, chance) for day in newest])
        if not len(new):
            return None
        earlier = [day for day in days if day_start(day) < whole]
        # One day at a time until there are enough.
        order = [earlier[place] for place in chance.permutation(len(earlier)).tolist()]
        past = self._drawn(order, until, labels, round(cadence.past * len(new)), chance)
        pages = Pages.joined([past, new])
        return self._stream(pages, np.zeros(len(pages)), until, cadence)

    def _labels(self, until: float) -> Labels:
        return self.objective.labels(self.folder, self.start.catalog, until)

    def _drawn(
        self,
        days: Sequence[str],
        until: float,
        labels: Labels,
        wanted: int,
        chance: np.random.Generator,
    ) -> Pages:
        """``wanted`` pages of the days, or all: as many as the first has, then of the next."""
        vocabulary = self.start.vocabulary
        found: list[Pages] = []
        for day in days:
            if wanted <= 0:
                break
            found.append(
                Pages.drawn(
                    self.folder, vocabulary, day, wanted, chance, until=until, labels=labels
                )
            )
            wanted -= len(found[-1])
        return Pages.joined(found)

    def _stream(
        self, pages: Pages, ages_days: NDArray[np.float64], until: float, cadence: Cadence
    ) -> BatchStream | None:
        if not len(pages):
            return None
        self.timeline.learn_injections(pages.ts)
        titles = CandidateTitles.learnt(self.network, self.start, self.candidates)
        known = None if titles is None else titles.titles
        return BatchStream(
            ExampleBuilder(self.timeline, pages, self.encoder, until=until, titles=known),
            ages_days,
            self.candidates,
            self.fallbacks,
            batch_tokens=cadence.page_tokens,
            seed=self.seed,
            titles=titles,
        )


def _needed(cadence: Cadence) -> int:
    """How many pages can be taken at most: those asked for, and what fills the last batch."""
    return cadence.pages + math.ceil(cadence.page_tokens / FEWEST_TOKENS)
