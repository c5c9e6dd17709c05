"""The fake backend: as strict as a real one should be, and as sensitive to its prefix."""

import numpy as np
import pytest
from naive_decoder import scores_after
from pages import library

from runtime.chunk import Chunk
from runtime.fake import FakeBackend, FakeHead, FakeModel


def chunk(slot: int, start: int, *tokens: int, scored: int = 1) -> Chunk:
    """A chunk of these tokens."""
    return Chunk(slot, start, np.array(tokens, np.int32), scored)


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(0, 0, 1), chunk(0, 1, 2)],
        [chunk(2, 0, 1)],
        [chunk(0, 1, 1)],
        [chunk(0, -1, 1)],
        [chunk(0, 0, 1, 2, 3, 4, 5)],
        [chunk(0, 0, 1, scored=2)],
        [chunk(0, 0)],
    ],
)
def test_what_no_backend_may_be_handed_is_a_bug(chunks: list[Chunk]) -> None:
    """A slot twice, no such slot, a gap, too many tokens, more scored than fed, nothing fed."""
    with pytest.raises(RuntimeError, match="This is a bug"):
        FakeBackend(slots=2, capacity=4).forward(chunks)


def test_scores_depend_on_the_whole_prefix_and_on_nothing_else() -> None:
    """Cut anywhere, beside any other slot, after any earlier use: the same; else different."""
    model = FakeModel.of(library(20, 3), slots=2)
    backend = model.backend
    backend.forward([chunk(0, 0, 9, 9, 9, 9), chunk(1, 0, 1, 2)])
    backend.forward([chunk(0, 0, 1, 2)])
    (first, second) = backend.forward([chunk(0, 2, 3, 4), chunk(1, 2, 3)])
    (third,) = backend.forward([chunk(1, 3, 4)])
    scores = model.head.scores(np.concatenate([first, second, third]))
    assert np.array_equal(scores[0], scores_after(model, [1, 2, 3, 4]))
    assert np.array_equal(scores[0], scores[2])
    assert not np.array_equal(scores[0], scores[1])
    (stale,) = backend.forward([chunk(1, 1, 4)])
    assert not np.array_equal(model.head.scores(stale)[0], scores[0])


def test_several_positions_can_be_scored() -> None:
    """``scored`` positions in order, the last of them last."""
    backend = FakeBackend()
    (three,) = backend.forward([chunk(0, 0, 1, 2, 3, 4, scored=3)])
    (one,) = backend.forward([chunk(0, 2, 3)])
    assert three.shape == (3, 4)
    assert np.array_equal(three[1], one[0])


def test_a_head_refuses_states_of_another_width() -> None:
    """A real trunk's states in the fake head are a mix-up."""
    with pytest.raises(RuntimeError, match="This is a bug"):
        FakeHead(2, 3).scores(np.zeros((1, 8), np.float32))


def test_levels_make_ties() -> None:
    """With few levels, many of a position's scores are equal."""
    scores = FakeHead(10, 200, levels=3).scores(np.zeros((1, 4), np.float32))
    assert 2 <= len(np.unique(scores)) <= 10
