"""Peers whose library hands out logits and takes tokens: the loop over a page is ours."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from benchmarks.peers.peer import Batched, Decoded, Stopwatch
from benchmarks.peers.task import FloatArray, IntArray, PageTask

_NOTHING: IntArray = np.zeros(0, np.int32)


class FedPeer(ABC):
    """Remembers what each sequence's KV holds. Place 0 is a single page's."""

    def __init__(self) -> None:
        self._held: dict[int, IntArray] = {}

    @abstractmethod
    def rewind(self, kept: Sequence[int]) -> None:
        """Begin as many sequences, the KV of each cut to its first ``kept`` tokens."""

    @abstractmethod
    def feed(self, chunks: Sequence[IntArray]) -> Sequence[FloatArray]:
        """Append a chunk to each sequence, all of one length; each one's last logits (V,)."""

    def page(self, task: PageTask, *, warm: bool) -> Decoded:
        """Feed the prompt, then each token as it was chosen; the last one is not fed."""
        return self._decode([task], warm=warm)[0]

    def batch(self, tasks: Sequence[PageTask], *, warm: bool) -> Batched | None:
        """All in lockstep."""
        if warm and not self.rewinds_batches:
            return None
        pages = self._decode(tasks, warm=warm)
        tokens = sum(len(page.tokens) for page in pages)
        return Batched(len(pages), tokens, pages[0].seconds, pages[0].cpu_s)

    @property
    def rewinds_batches(self) -> bool:
        """Whether `rewind` keeps anything of several sequences."""
        return True

    def _decode(self, tasks: Sequence[PageTask], *, warm: bool) -> list[Decoded]:
        kept = [self._kept(place, task.prompt) if warm else 0 for place, task in enumerate(tasks)]
        # In lockstep, so all keep as much as the one that keeps least.
        kept = [min(kept)] * len(kept)
        walks = [task.walk() for task in tasks]
        watch = Stopwatch()
        self.rewind(kept)
        chunks = [task.prompt[start:] for task, start in zip(tasks, kept, strict=True)]
        while not walks[0].done:
            logits = self.feed(chunks)
            chunks = [
                np.array([walk.choose(each)], np.int32)
                for walk, each in zip(walks, logits, strict=True)
            ]
        seconds, cpu_s = watch.seconds, watch.cpu_s
        for place, (task, walk) in enumerate(zip(tasks, walks, strict=True)):
            self._held[place] = np.concatenate([task.prompt, walk.taken[:-1]]).astype(np.int32)
        return [Decoded(walk.taken, seconds, cpu_s) for walk in walks]

    def _kept(self, place: int, prompt: IntArray) -> int:
        """How many leading tokens need not be fed again; one at least is: logits are wanted."""
        before = self._held.get(place, _NOTHING)
        length = min(len(before), len(prompt) - 1)
        differs = before[:length] != prompt[:length]
        return int(differs.argmax()) if differs.any() else length
