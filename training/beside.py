"""The pages that a pass over members' days trains on, beside its questions."""

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
from training.pages import Pages
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
        """The newest of the days' pages; None where there is none, or none is asked for."""
        if not cadence.pages:
            return None
        pages = self._read(days, until, self._labels(until), cadence.pages)
        return self._stream(pages, (until - pages.ts) / SECONDS_A_DAY, until, cadence)

    def mixed(
        self, whole: float, until: float, cadence: Cadence, seed: tuple[int, ...]
    ) -> BatchStream | None:
        """All pages of ``[whole, until)`` and some of the days before, in one drawn order.

        None where there is none, or none is asked for.
        """
        if not cadence.pages:
            return None
        began = whole - cadence.past_days * SECONDS_A_DAY
        days = [day for day in self.folder.days() if began <= day_start(day) < until]
        labels = self._labels(until)
        pages = self._read([day for day in days if day_start(day) >= whole], until, labels)
        if not len(pages):
            return None
        earlier = [day for day in days if day_start(day) < whole]
        wanted = round(cadence.past * len(pages))
        past = self._past(earlier, until, labels, wanted, seed)
        pages = Pages.joined([*past, pages])
        return self._stream(pages, np.zeros(len(pages)), until, cadence)

    def _past(
        self,
        days: Sequence[str],
        until: float,
        labels: Labels,
        wanted: int,
        seed: tuple[int, ...],
    ) -> list[Pages]:
        """``wanted`` pages of the days, or all: read one day at a time until there are enough."""
        chance = np.random.default_rng((*seed, 4))
        found: list[Pages] = []
        for place in chance.permutation(len(days)).tolist():
            if wanted <= 0:
                break
            pages = self._read([days[place]], until, labels)
            found.append(pages.taken(np.sort(chance.permutation(len(pages))[:wanted])))
            wanted -= len(found[-1])
        return found

    def _labels(self, until: float) -> Labels:
        return self.objective.labels(self.folder, self.start.catalog, until)

    def _read(
        self, days: Sequence[str], until: float, labels: Labels, most: int | None = None
    ) -> Pages:
        vocabulary = self.start.vocabulary
        return Pages.read(self.folder, vocabulary, days, most, until=until, labels=labels)

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
