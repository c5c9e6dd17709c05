"""What a model must offer to be asked for a member's next title."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genpage.catalog import Catalog
from genpage.trends import Trends
from tokenizer.prompt import SINCE_START, Prompt, PromptEncoder
from tokenizer.vocabulary import IntArray

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Which title next? A prompt, and the counts of what happened strictly before it."""

    prompt: Prompt
    trends: Trends

    @property
    def tokens(self) -> IntArray:
        """(n,) up to and with ``<next>``."""
        return self.prompt.tokens[: self.prompt.next_position + 1]

    @property
    def history(self) -> IntArray:
        """(n,) up to and with the last event of the history."""
        return self.prompt.tokens[: self.prompt.segment("history").end]

    @property
    def since(self) -> int:
        """The bucket of the time since the member's last event (`model.signals.Asks`)."""
        return int(self.prompt.tokens[self.prompt.segment("request").end - 1]) - SINCE_START


class NextItemScorer(Protocol):
    """Scores every entity of its catalog as a member's next, in one pass over a prompt.

    A model that learnt to be asked after each event of a history (`training.asking`) is read at
    the last event, asked for the time since it, and weighs what the moment says of each title
    (`tokenizer.signals`). Another one is read at ``<next>``.
    """

    @property
    def encoder(self) -> PromptEncoder:
        """Encodes the prompts that it takes."""

    @property
    def catalog(self) -> Catalog:
        """Whose E entities it scores, and by whose indices trends are."""

    def scores(self, questions: Sequence[Question]) -> Scores:
        """(n, E) by catalog index."""
