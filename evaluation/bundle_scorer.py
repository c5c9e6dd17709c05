"""A bundle as a next-item scorer: the trunk and head that serve, without a page around them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from evaluation.scorer import Question, Scores
from genpage.catalog import Catalog
from runtime.asking import Asking
from runtime.chunk import Chunk
from runtime.offline import PageModel
from tokenizer.prompt import PromptEncoder
from tokenizer.signals import places_of


class AskedModel(PageModel, Protocol):
    """A served model that may have learnt to be asked: `runtime.model.LoadedModel`."""

    @property
    def asking(self) -> Asking | None:
        """How it is asked; None where it never was."""
        ...


class BundleScorer:
    """`evaluation.scorer.NextItemScorer` of a loaded bundle over its snapshot's catalog.

    Owns the model while it scores: prompts go through the first KV slot, each from its start.
    """

    def __init__(self, model: AskedModel) -> None:
        self._model = model
        self._places = places_of(model.entity_tokens, model.encoder.vocabulary.size)

    @property
    def catalog(self) -> Catalog:
        """The snapshot's."""
        return self._model.catalog

    @property
    def encoder(self) -> PromptEncoder:
        """The bundle's."""
        return self._model.encoder

    def scores(self, questions: Sequence[Question]) -> Scores:
        """(n, E): the scores of all entities."""
        backend, asking = self._model.backend, self._model.asking
        prompts = [each.tokens if asking is None else each.history for each in questions]
        last = [
            # Copied: a result is the backend's until the next call.
            backend.forward([Chunk(slot=0, start=0, tokens=prompt)])[0][-1].copy()
            for prompt in prompts
        ]
        hidden = np.stack(last)  # (n, d)
        if asking is not None:
            since = np.array([each.since for each in questions], np.int32)
            hidden = asking.asked(hidden, since).astype(np.float32)
        scores = self._model.head.scores(hidden)[:, len(self.catalog.rows) :].copy()  # (n, E)
        if asking is not None:
            for n, (asked, each) in enumerate(zip(hidden, questions, strict=True)):
                scores[n] += asking.added(
                    asked, each.since, each.history, each.trends, self._places
                )
        return scores
