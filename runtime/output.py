"""What the engine says about a page: rows as they are decoded, then one ending."""

from dataclasses import dataclass, field

from genpage.errors import GenPageError
from genpage.page import FinishReason
from runtime.choice import RowChoice


@dataclass(frozen=True, slots=True)
class Timing:
    """Where a page's time went, in milliseconds: waiting, the prompt, the rows, and their sum."""

    queue_ms: float
    prefill_ms: float
    decode_ms: float

    @property
    def total_ms(self) -> float:
        """From submission to the end."""
        return self.queue_ms + self.prefill_ms + self.decode_ms


@dataclass(frozen=True, slots=True)
class RowDecoded:
    """A finished row, by catalog indices.

    ``at_ms`` is the time since submission. ``propensities`` are the probabilities of the places,
    each given all before it, the first with its row's; empty where nothing was drawn. ``choice``
    tells what the row was chosen over: it explains the row and is no part of it.
    """

    page_id: str
    row: int
    entities: tuple[int, ...]
    at_ms: float
    propensities: tuple[float, ...] = ()
    choice: RowChoice | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PageFinished:
    """The page's end, as planned or cut short; its last output.

    ``prompt_tokens`` is what had to be in the KV slot before the first decision,
    ``cached_prompt_tokens`` how many of them were there already. ``forward_passes`` counts the
    passes after the one that completed the prompt.
    """

    page_id: str
    reason: FinishReason
    timing: Timing
    prompt_tokens: int
    cached_prompt_tokens: int
    forward_passes: int


@dataclass(frozen=True, slots=True)
class PageFailed:
    """The page's end by an error; its last output. The error's ``__cause__`` has the details."""

    page_id: str
    error: GenPageError


Output = RowDecoded | PageFinished | PageFailed
