"""How much the engine takes on at once."""

from dataclasses import dataclass, fields
from typing import Final

from genpage.errors import UsageError

# A thousand sequences of a small model, some fifty of one of 120 M parameters.
KV_BYTES: Final = 1 << 30
_MAY_BE_NONE = {"queue", "prefix_cache", "speculation", "warm", "patience_s"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the engine; each at least 1, but for those where 0 lets there be none.

    ``batch``: pages decoded at once; never more than the backend has slots.
    ``queue``: pages waiting behind those.
    ``prefill_tokens``: prompt tokens a step takes while rows are being decoded: what a long prompt
    may delay them by.
    ``prefill_tokens_alone``: the same while no row is being decoded, so none can be delayed. A long
    prompt is cut all the same: in one piece each token is multiplied with all keys, later ones too.
    ``speculation``: tokens are drafted, and verified in the pass that they save.
    ``draft_tokens``: at most so many for a page in a step, so that its next row is not held up for
    the ones behind; pages decoded at once share ``prefill_tokens`` of them.
    ``warm``: members whose KV is kept for their next page, beside pages under way.
    ``kv_bytes``: KV held in all, of pages under way and kept for members who come again.
    ``patience_s``: how long a page without a deadline waits at most behind others that came later
    and have one.
    """

    batch: int = 8
    queue: int = 64
    prefill_tokens: int = 128
    prefill_tokens_alone: int = 256
    prefix_cache: bool = True
    speculation: bool = True
    draft_tokens: int = 48
    warm: int = 64
    kv_bytes: int = KV_BYTES
    patience_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a bound that lets nothing through, naming it."""
        for field in fields(self):
            least = 0 if field.name in _MAY_BE_NONE else 1
            if getattr(self, field.name) < least:
                raise UsageError(
                    f"{field.name} must be at least {least}, not {getattr(self, field.name)}."
                )

    @property
    def pages(self) -> int:
        """Pages in the engine's hands at once, decoding or waiting."""
        return self.batch + self.queue

    def drafted(self, pages: int) -> int:
        """How many tokens each of so many pages that decode at once may draft in a step."""
        return min(self.draft_tokens, self.prefill_tokens // max(1, pages))

    @property
    def slots(self) -> int:
        """KV slots that a backend needs for that."""
        return self.batch + (self.warm if self.prefix_cache else 0)
