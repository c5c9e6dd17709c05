"""How long graphs ran: every one of them runs through `runtime.sessions.Binding`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from runtime.sessions import Binding


@dataclass(slots=True)
class Inside:
    """Seconds that graphs took, and how many runs; mutated by the thread that runs them."""

    seconds: float = 0.0
    runs: int = 0

    @classmethod
    @contextmanager
    def watched(cls) -> Iterator[Self]:
        """Count inside of the block."""
        inside, run = cls(), Binding.run

        def timed(binding: Binding) -> None:
            began = time.perf_counter()
            run(binding)
            inside.seconds += time.perf_counter() - began
            inside.runs += 1

        Binding.run = timed  # type: ignore[assignment,method-assign]  # looked at from outside
        try:
            yield inside
        finally:
            Binding.run = run  # type: ignore[method-assign]
