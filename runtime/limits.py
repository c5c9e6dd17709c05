"""How much the engine takes on at once."""

from dataclasses import dataclass, fields

from genpage.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the engine; each at least 1, but for ``queue``, where 0 lets none wait.

    ``batch``: pages decoded at once; never more than the backend has slots.
    ``queue``: pages waiting behind those.
    ``prefill_tokens``: prompt tokens a step takes while rows are being decoded: what a long prompt
    may delay them by.
    ``speculation``: tokens are drafted, and verified in the pass that they save.
    ``prefill_tokens_alone``: the same while no row is being decoded, so none can be delayed.
    """

    batch: int = 8
    queue: int = 64
    prefill_tokens: int = 128
    prefill_tokens_alone: int = 512
    prefix_cache: bool = True
    speculation: bool = True

    def __post_init__(self) -> None:
        """Refuse a bound that lets nothing through, naming it."""
        for field in fields(self):
            least = 0 if field.name in {"queue", "prefix_cache", "speculation"} else 1
            if getattr(self, field.name) < least:
                raise UsageError(
                    f"{field.name} must be at least {least}, not {getattr(self, field.name)}."
                )

    @property
    def pages(self) -> int:
        """Pages in the engine's hands at once, decoding or waiting."""
        return self.batch + self.queue
