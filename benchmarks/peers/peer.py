"""What every peer does, whatever library is behind it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, Self

from benchmarks.peers.task import PageTask


@dataclass(frozen=True, slots=True)
class Decoded:
    """A page's tokens; seconds that it took, and that all threads together spent on it."""

    tokens: tuple[int, ...]
    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Batched:
    """Pages decoded side by side; ``seconds`` for all of them."""

    pages: int
    tokens: int
    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Runs from its making."""

    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=time.process_time)

    @property
    def seconds(self) -> float:
        """Since then."""
        return time.perf_counter() - self._wall

    @property
    def cpu_s(self) -> float:
        """What this process spent since then."""
        return time.process_time() - self._cpu


class Peer(Protocol):
    """A runtime with the model loaded. One caller; KV of the page before may be held.

    ``package`` is what is imported, ``precision`` what its weights are held in, ``valid`` whether
    the pages keep the rules: False where the library takes no mask for each token, and decodes
    whatever it likes best, which costs it less.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    precision: ClassVar[str]
    valid: ClassVar[bool]

    @classmethod
    def prepare(cls, llama: Path, folder: Path) -> None:
        """Write what it loads into ``folder``, which exists, from the folder of `llama.write`."""
        ...

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """The model of a prepared folder, on so many threads."""
        ...

    def page(self, task: PageTask, *, warm: bool) -> Decoded:
        """Decode one page, token by token.

        ``warm``: what the prompt shares with the one before need not be computed again.
        """
        ...

    def batch(self, tasks: Sequence[PageTask], *, warm: bool) -> Batched | None:
        """Decode pages at once; None where the library cannot, or not ``warm``.

        The prompts are of one length. ``warm`` as above, each against the one in its place before.
        """
        ...
