"""The trunk on onnxruntime: bit for bit the same, however its tokens come.

Fast paths against one slow twin: the whole sequence in one call, on a fresh slot.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from trunks import backend_of

from runtime.arrays import FloatArray, IntArray
from runtime.bundle import Bundle
from runtime.chunk import Chunk
from runtime.model import LoadedModel
from runtime.sessions import SessionSettings
from runtime.trunk import TrunkBackend

LENGTH = 150
ROOMY = 400


@pytest.fixture(scope="module")
def sequence(bundle: Bundle) -> IntArray:
    """Tokens of all kinds."""
    size = bundle.manifest.vocabulary_size
    return np.random.default_rng(5).integers(size, size=LENGTH).astype(np.int32)


@pytest.fixture(scope="module")
def whole(bundle: Bundle, sequence: IntArray) -> FloatArray:
    """The slow twin: every position's hidden state, (LENGTH, width), from one call."""
    return (
        backend_of(bundle, capacity=ROOMY).forward([Chunk(0, 0, sequence, scored=LENGTH)])[0].copy()
    )


def fed(backend: TrunkBackend, tokens: IntArray, sizes: Sequence[int], slot: int = 0) -> FloatArray:
    """All hidden states of ``tokens``, fed in chunks of ``sizes``, repeated as needed."""
    parts, start, turn = [], 0, 0
    while start < len(tokens):
        part = tokens[start : start + sizes[turn % len(sizes)]]
        parts.append(backend.forward([Chunk(slot, start, part, scored=len(part))])[0].copy())
        start, turn = start + len(part), turn + 1
    return np.concatenate(parts)


@pytest.mark.parametrize(
    "sizes", [(1,), (2,), (3,), (5,), (8,), (21,), (64,), (149, 1), (1, 149), (7, 1, 1, 30, 2)]
)
def test_where_the_chunks_are_cut_changes_nothing(
    bundle: Bundle, sequence: IntArray, whole: FloatArray, sizes: tuple[int, ...]
) -> None:
    """Single tokens, short chunks, one long one: the same bits."""
    np.testing.assert_array_equal(fed(backend_of(bundle, capacity=ROOMY), sequence, sizes), whole)


@pytest.mark.parametrize("capacity", [LENGTH, LENGTH + 1, 512, 5120])
def test_the_capacity_changes_nothing(
    bundle: Bundle, sequence: IntArray, whole: FloatArray, capacity: int
) -> None:
    """Neither a slot that is just full nor one nearly empty computes anything else."""
    backend = backend_of(bundle, capacity=capacity)
    np.testing.assert_array_equal(fed(backend, sequence, (40, 1, 9)), whole)


@pytest.mark.parametrize("spin", [False, True])
def test_threads_change_nothing(
    bundle: Bundle, sequence: IntArray, whole: FloatArray, spin: bool
) -> None:
    """One thread or two, waiting by polling or by sleeping."""
    backend = backend_of(bundle, capacity=ROOMY, settings=SessionSettings(2, spin))
    np.testing.assert_array_equal(fed(backend, sequence, (LENGTH,)), whole)
    np.testing.assert_array_equal(fed(backend, sequence, (33, 2)), whole)


def test_others_beside_it_change_nothing(
    bundle: Bundle, sequence: IntArray, whole: FloatArray
) -> None:
    """Chunks of other slots in the same calls leave a slot's results alone, and its cache."""
    backend = backend_of(bundle, capacity=ROOMY, slots=3)
    other = sequence[::-1].copy()
    states: list[FloatArray] = []
    for start in range(0, LENGTH, 10):
        part = slice(start, start + 10)
        chunks = [
            Chunk(2, start, other[part], scored=10),
            Chunk(0, start, sequence[part], scored=10),
            Chunk(1, 0, other[:3]),
        ]
        states.append(backend.forward(chunks)[1].copy())
    np.testing.assert_array_equal(np.concatenate(states), whole)


def test_a_reused_prefix_is_as_good_as_a_fresh_one(
    bundle: Bundle, sequence: IntArray, whole: FloatArray
) -> None:
    """Going back in a slot and on with other tokens gives what a fresh slot gives."""
    backend = backend_of(bundle, capacity=ROOMY)
    detour = np.concatenate([sequence[:60], sequence[:70]])
    fed(backend, detour, (130,))
    kept = backend.forward([Chunk(0, 60, sequence[60:], scored=LENGTH - 60)])[0].copy()
    np.testing.assert_array_equal(kept, whole[60:])


def test_a_single_token_leaves_nothing_behind(
    bundle: Bundle, sequence: IntArray, whole: FloatArray
) -> None:
    """The padding behind a single token is overwritten by what follows it."""
    backend = backend_of(bundle, capacity=LENGTH)
    backend.forward([Chunk(0, 0, sequence[:-1])])
    last = backend.forward([Chunk(0, LENGTH - 1, sequence[-1:])])[0]
    np.testing.assert_array_equal(last, whole[-1:])


def test_only_the_last_positions_are_returned(
    bundle: Bundle, sequence: IntArray, whole: FloatArray
) -> None:
    """``scored`` counts from the chunk's end, and a padded chunk's padding is not part of it."""
    backend = backend_of(bundle, capacity=ROOMY)
    first, second = sequence[:50], sequence[50:51]
    np.testing.assert_array_equal(backend.forward([Chunk(0, 0, first, scored=7)])[0], whole[43:50])
    np.testing.assert_array_equal(backend.forward([Chunk(0, 50, second)])[0], whole[50:51])


def test_results_stay_valid_beside_the_next_call(
    bundle: Bundle, sequence: IntArray, whole: FloatArray
) -> None:
    """All results of one call hold their own values."""
    backend = backend_of(bundle, capacity=ROOMY, slots=2)
    chunks = [Chunk(0, 0, sequence[:20], scored=20), Chunk(1, 0, sequence[:30], scored=30)]
    left, right = backend.forward(chunks)
    np.testing.assert_array_equal(left, whole[:20])
    np.testing.assert_array_equal(right, whole[:30])


def test_a_chunk_beyond_the_slot_is_refused(bundle: Bundle, sequence: IntArray) -> None:
    """No write lands in another slot's memory."""
    backend = backend_of(bundle, capacity=100)
    with pytest.raises(RuntimeError, match="do not fit a slot of 100"):
        backend.forward([Chunk(0, 0, sequence)])


def test_a_served_model_has_room_for_the_largest_page(int8_bundle: Path) -> None:
    """The longest prompt and 40 rows of 100 fit the capacity that is exported."""
    model = LoadedModel.load(int8_bundle)
    longest_prompt = 569  # tests/tokenizer/test_prompt.py
    assert longest_prompt + 40 * 101 <= model.backend.capacity


def test_a_long_prompt_read_as_it_is_served_gives_the_same(bundle: Bundle) -> None:
    """Pieces of 256, which no short sequence has, beside one call."""
    size = bundle.manifest.vocabulary_size
    long = np.random.default_rng(6).integers(size, size=542).astype(np.int32)
    for threads in (1, 2):
        backend = backend_of(bundle, capacity=600, slots=2, settings=SessionSettings(threads))
        whole = backend.forward([Chunk(0, 0, long, scored=len(long))])[0].copy()
        np.testing.assert_array_equal(fed(backend, long, (256, 285, 1), slot=1), whole)


def test_threads_that_poll_in_a_pass_sleep_behind_it(bundle: Bundle, sequence: IntArray) -> None:
    """An idle server takes no core."""
    backend = backend_of(bundle, capacity=ROOMY, settings=SessionSettings(2, spinning=True))
    backend.forward([Chunk(0, 0, sequence)])
    spent = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - spent < 0.1
