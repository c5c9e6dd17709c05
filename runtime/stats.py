"""The engine's books at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.pace import Source
from runtime.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Stats:
    """Sums over the backends in use.

    ``live_tokens`` are held for pages being decoded, ``reusable_tokens`` kept in free slots;
    ``kv_bytes`` is what both take of memory. ``evictions`` (of what was kept, for room), ``steps``
    and ``fed_tokens`` (run through the trunk) count from the engine's start, and so do ``guesses``:
    of each kind (`runtime.pace.Source`) those that were right, and all that were verified.
    """

    live: int
    waiting: int
    free_slots: int
    live_tokens: int
    reusable_tokens: int
    kv_bytes: int
    evictions: int
    steps: int
    fed_tokens: int
    guesses: Mapping[Source, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        scheduler: Scheduler,
        steps: int,
        fed_tokens: int,
        guesses: Mapping[Source, tuple[int, int]],
    ) -> "Stats":
        """Of a scheduler's slots, and what the engine counted."""
        slots = list(scheduler.slots())
        return cls(
            live=scheduler.live,
            waiting=scheduler.waiting,
            free_slots=sum(each.free for each in slots),
            live_tokens=sum(each.live_tokens for each in slots),
            reusable_tokens=sum(each.reusable_tokens for each in slots),
            kv_bytes=sum(each.held_bytes for each in slots),
            evictions=scheduler.memory.evictions,
            steps=steps,
            fed_tokens=fed_tokens,
            guesses=dict(guesses),
        )
