"""Chunks that share a pass: each gets, bit for bit, what it gets alone."""

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trunks import backend_of

from genpage.errors import BundleError
from runtime.arrays import IntArray
from runtime.bundle import Bundle
from runtime.chunk import Chunk
from runtime.lanes import passes
from runtime.sessions import SessionSettings

SLOTS = 9
LENGTH = 60


@pytest.fixture(scope="module")
def sequences(bundle: Bundle) -> IntArray:
    """(SLOTS, LENGTH) tokens, a sequence for each slot."""
    size = bundle.manifest.vocabulary_size
    return np.random.default_rng(3).integers(size, size=(SLOTS, LENGTH)).astype(np.int32)


@pytest.fixture(scope="module")
def alone(bundle: Bundle, sequences: IntArray) -> list[np.ndarray]:
    """The slow twin: every position's hidden state, each sequence by itself in one call."""
    backend = backend_of(bundle, capacity=LENGTH, slots=SLOTS)
    return [
        backend.forward([Chunk(slot, 0, tokens, scored=LENGTH)])[0].copy()
        for slot, tokens in enumerate(sequences)
    ]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("lanes", [(1, 2), (1, 2, 4), (1, 2, 4, 8)])
def test_ragged_chunks_in_lanes_give_what_each_gives_alone(
    bundle: Bundle,
    sequences: IntArray,
    alone: list[np.ndarray],
    lanes: tuple[int, ...],
    threads: int,
) -> None:
    """Any number of slots, any lengths, any order, single tokens too, until all are fed."""
    chance = random.Random(len(lanes))
    backend = backend_of(
        bundle, *lanes, capacity=LENGTH, slots=SLOTS, settings=SessionSettings(threads)
    )
    fed = [0] * SLOTS
    while open_ := [slot for slot in range(SLOTS) if fed[slot] < LENGTH]:
        chosen = chance.sample(open_, chance.randint(1, len(open_)))
        chunks = []
        for slot in chosen:
            tokens = sequences[slot, fed[slot] : fed[slot] + chance.choice((1, 1, 2, 5, 9, 30))]
            chunks.append(Chunk(slot, fed[slot], tokens, scored=chance.randint(1, len(tokens))))
        for chunk, states in zip(chunks, backend.forward(chunks), strict=True):
            expected = alone[chunk.slot][chunk.end - chunk.scored : chunk.end]
            np.testing.assert_array_equal(states, expected)
            fed[chunk.slot] = chunk.end


def test_a_lane_without_a_chunk_writes_into_nobodys_slot(
    bundle: Bundle, sequences: IntArray, alone: list[np.ndarray]
) -> None:
    """Three chunks over four lanes: the other slots go on as they were."""
    backend = backend_of(bundle, 1, 2, 4, capacity=LENGTH, slots=SLOTS)
    half = LENGTH // 2
    for slot in range(SLOTS):
        backend.forward([Chunk(slot, 0, sequences[slot, :half])])
    assert list(passes(3, (1, 2, 4))) == [4]
    backend.forward([Chunk(slot, half, sequences[slot, half:]) for slot in (0, 4, 8)])
    for slot in (1, 2, 3, 5, 6, 7):
        chunk = Chunk(slot, half, sequences[slot, half:], scored=half)
        np.testing.assert_array_equal(backend.forward([chunk])[0], alone[slot][half:])


def test_without_room_for_packed_weights_the_bundle_is_refused(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to do is said; a single lane needs no room."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(BundleError, match="in TMPDIR"):
        backend_of(bundle, 1, 2, capacity=LENGTH, slots=SLOTS)
    backend_of(bundle, capacity=LENGTH, slots=SLOTS)


def test_nothing_is_left_of_what_was_packed(
    bundle: Bundle, sequences: IntArray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sessions go on with what they have mapped."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    backend = backend_of(bundle, 1, 2, 4, capacity=LENGTH, slots=SLOTS)
    assert not list(tmp_path.iterdir())
    backend.forward([Chunk(slot, 0, sequences[slot]) for slot in range(4)])


@given(st.integers(1, 40), st.sets(st.sampled_from([2, 3, 4, 8, 16])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_chunk_has_a_lane_and_at_most_one_is_left_over(chunks: int, sizes: set[int]) -> None:
    """Passes are not longer than they need be, and no single chunk pays for a lane of nobody's."""
    taken = list(passes(chunks, (1, *sizes)))
    assert chunks <= sum(taken) <= chunks + 1
    assert set(taken) <= {1, *sizes}
    if chunks == 1:
        assert taken == [1]
    if chunks in sizes:
        assert taken == [chunks] or chunks + 1 in sizes
