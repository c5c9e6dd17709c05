"""Engines on the fake backend, stepped by hand to their end."""

from collections.abc import Callable, Sequence

from runtime.arrays import FloatArray
from runtime.chunk import Chunk
from runtime.engine import Engine
from runtime.fake import FakeBackend
from runtime.output import Output


class Breaking(FakeBackend):
    """Fails where it is told to, after it has spoilt some KV as a real one might."""

    def __init__(self, fails: Callable[[Sequence[Chunk]], bool]) -> None:
        super().__init__()
        self.fails = fails

    def forward(self, chunks: Sequence[Chunk]) -> list[FloatArray]:
        """Run, then perhaps raise."""
        states = super().forward(chunks)
        if self.fails(chunks):
            raise ValueError("out of memory")
        return states


def run(engine: Engine) -> list[Output]:
    """Step until nothing is left to do."""
    outputs: list[Output] = []
    while engine.busy:
        outputs += engine.step()
        engine.check_integrity()
    return outputs


def assert_at_rest(engine: Engine, slots: int = 4) -> None:
    """Nothing lives, nothing waits, every slot is free."""
    stats = engine.stats()
    assert (stats.live, stats.waiting, stats.live_tokens) == (0, 0, 0)
    assert stats.free_slots == slots
