"""Peers whose loop is ours: what is fed, what is kept, and that pages stay the same."""

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.engine import catalog_of, grammars
from benchmarks.peers.fed import FedPeer
from benchmarks.peers.task import FloatArray, IntArray, PageTask
from runtime.fake import FakeModel

CATALOG = catalog_of(400)
MODEL = FakeModel.of(CATALOG, slots=1)


class Recorder(FedPeer):
    """A library whose logits depend on all that a sequence holds."""

    def __init__(self) -> None:
        super().__init__()
        self.sequences: list[list[int]] = []
        self.fed = 0

    def rewind(self, kept: Sequence[int]) -> None:
        """Cut what is held."""
        held = self.sequences + [[]] * (len(kept) - len(self.sequences))
        self.sequences = [
            tokens[:count] for tokens, count in zip(held[: len(kept)], kept, strict=True)
        ]
        assert [len(each) for each in self.sequences] == list(kept)

    def feed(self, chunks: Sequence[IntArray]) -> Sequence[FloatArray]:
        """Append."""
        assert len(chunks) == len(self.sequences)
        for sequence, chunk in zip(self.sequences, chunks, strict=True):
            assert len(chunk) == len(chunks[0]) >= 1
            sequence.extend(chunk.tolist())
            self.fed += len(chunk)
        return [
            np.random.default_rng(sequence).standard_normal(5_000).astype(np.float32)
            for sequence in self.sequences
        ]


def task(prompt: Sequence[int]) -> PageTask:
    """A small page."""
    names = (MODEL.row_tokens, MODEL.entity_tokens)
    return PageTask(np.array(prompt, np.int32), grammars(CATALOG, 1)[0], 2, 20, *names)


def test_a_warm_page_is_the_cold_one_and_costs_less() -> None:
    """Only what follows the shared beginning is fed again."""
    first, second = [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 9, 9, 9]
    warm, cold = Recorder(), Recorder()
    warm.page(task(first), warm=False)
    before = warm.fed
    page = warm.page(task(second), warm=True)
    assert page.tokens == cold.page(task(second), warm=False).tokens
    assert len(page.tokens) == 42
    assert cold.fed - (warm.fed - before) == 4


def test_the_same_prompt_again_feeds_its_last_token() -> None:
    """Its logits are wanted, and nobody kept them."""
    peer = Recorder()
    page = peer.page(task([1, 2, 3]), warm=False)
    before = peer.fed
    assert peer.page(task([1, 2, 3]), warm=True).tokens == page.tokens
    assert peer.fed - before == 1 + len(page.tokens) - 1


@pytest.mark.parametrize("warm", [False, True])
def test_a_batch_makes_the_pages_that_each_makes_alone(warm: bool) -> None:
    """In lockstep, each on a sequence of its own."""
    prompts = ([1, 2, 3, 4], [1, 2, 8, 8], [7, 7, 7, 7])
    peer = Recorder()
    if warm:
        peer.batch([task([1, 2, 5]) for _ in prompts], warm=False)
    batch = peer.batch([task(prompt) for prompt in prompts], warm=warm)
    assert batch is not None
    assert (batch.pages, batch.tokens) == (3, 3 * 42)
    for sequence, prompt in zip(peer.sequences, prompts, strict=True):
        alone = Recorder().page(task(prompt), warm=False)
        assert sequence == [*prompt, *alone.tokens[:-1]]


def test_a_library_that_keeps_no_batch_says_so() -> None:
    """Rather than to compute all again and call it warm."""

    class Single(Recorder):
        rewinds_batches = False

    assert Single().batch([task([1, 2])], warm=True) is None
