"""Which of a member's events stand raw in the prompt, and which are summarised.

Events carry absolute numbers (``context.dropped + index``). The raw window begins at a whole
number of blocks, so that a new event only appends until a whole block is dropped. The summarised
stretch before it is as long as a store keeps for certain, so that it changes with the block alone.
"""

from dataclasses import dataclass

from genpage.context import HISTORY_LIMIT
from genpage.errors import UsageError

TOKENS_AN_EVENT = 4


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``tokens`` of raw history, dropped ``block`` events at a time."""

    tokens: int = 512
    block: int = 32

    def __post_init__(self) -> None:
        if self.block < 1 or self.tokens % TOKENS_AN_EVENT or self.events < self.block:
            raise UsageError(
                f"history_tokens {self.tokens} must be a multiple of {TOKENS_AN_EVENT} and hold at "
                f"least one block of {self.block} events"
            )

    @property
    def events(self) -> int:
        """How many raw events fit."""
        return self.tokens // TOKENS_AN_EVENT

    @property
    def summarised(self) -> int:
        """How many events before the window are summarised."""
        return max(0, HISTORY_LIMIT - self.events)

    def start(self, total: int) -> int:
        """Absolute number of the first raw event of ``total`` (0-based, a multiple of block)."""
        over = total - self.events
        return 0 if over <= 0 else -(-over // self.block) * self.block
