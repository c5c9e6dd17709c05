"""A bundle as a next-item scorer: the trunk and head that serve, without a page around them."""

from collections.abc import Sequence

import numpy as np

from evaluation.scorer import Question, Scores
from genpage.catalog import Catalog
from runtime.chunk import Chunk
from runtime.offline import PageModel
from tokenizer.prompt import PromptEncoder


class BundleScorer:
    """`evaluation.scorer.NextItemScorer` of a loaded bundle over its snapshot's catalog.

    Owns the model while it scores: prompts go through the first KV slot, each from its start.
    """

    def __init__(self, model: PageModel) -> None:
        self._model = model

    @property
    def catalog(self) -> Catalog:
        """The snapshot's."""
        return self._model.catalog

    @property
    def encoder(self) -> PromptEncoder:
        """The bundle's."""
        return self._model.encoder

    def scores(self, questions: Sequence[Question]) -> Scores:
        """(n, E): the scores of all entities at each prompt's ``<next>``."""
        backend = self._model.backend
        last = [
            # Copied: a result is the backend's until the next call.
            backend.forward([Chunk(slot=0, start=0, tokens=each.tokens)])[0][-1].copy()
            for each in questions
        ]
        scores = self._model.head.scores(np.stack(last))  # (n, R + E)
        return scores[:, len(self.catalog.rows) :].copy()
