"""How long graphs ran, and which: every one of them runs through `runtime.sessions.Binding`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from runtime.sessions import Binding
from runtime.signature import EMBEDDINGS


@dataclass(slots=True)
class Runs:
    """Runs of a graph, the tokens that they took, and seconds."""

    runs: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Inside:
    """Where one page's graphs ran; mutated by the thread that runs them.

    ``prompt`` are the trunk's runs before the first score, ``passes`` those after it.
    """

    prompt: Runs = field(default_factory=Runs)
    passes: Runs = field(default_factory=Runs)
    head: Runs = field(default_factory=Runs)

    @property
    def seconds(self) -> float:
        """In all."""
        return self.prompt.seconds + self.passes.seconds + self.head.seconds

    def count(self, tokens: int | None, seconds: float) -> None:
        """One more run, of so many tokens; None for a head's."""
        trunk = self.passes if self.head.runs else self.prompt
        ran = self.head if tokens is None else trunk
        ran.runs += 1
        ran.tokens += tokens or 0
        ran.seconds += seconds

    @classmethod
    @contextmanager
    def watched(cls) -> Iterator[Self]:
        """Count inside of the block."""
        inside, run = cls(), Binding.run

        def timed(binding: Binding) -> None:
            began = time.perf_counter()
            run(binding)
            took = time.perf_counter() - began
            embedded = binding._held.get(EMBEDDINGS)  # noqa: SLF001 - looked at from outside
            inside.count(None if embedded is None else embedded.shape[1], took)

        Binding.run = timed  # type: ignore[assignment,method-assign]  # looked at from outside
        try:
            yield inside
        finally:
            Binding.run = run  # type: ignore[method-assign]
