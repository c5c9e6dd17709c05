"""What a model must offer to be asked for a member's next title."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from tokenizer.prompt import PromptEncoder
from tokenizer.vocabulary import IntArray

Scores = NDArray[np.float32]


class NextItemScorer(Protocol):
    """Scores every entity of its catalog as a member's next, in one pass over a prompt.

    The position is ``<next>``, where the model learnt to predict the next event's entity: the
    score of an entity is its logit there.
    """

    @property
    def encoder(self) -> PromptEncoder:
        """Encodes the prompts that it takes."""

    @property
    def catalog(self) -> Catalog:
        """Whose E entities it scores."""

    def scores(self, prompts: Sequence[IntArray]) -> Scores:
        """(n, E) by catalog index, for n prompts that each end with ``<next>``."""
