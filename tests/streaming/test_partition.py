"""A partition's books: nothing unfinished is ever committed past."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.partition import Partition


def to_commit(books: Partition) -> int | None:
    """What may be committed now."""
    return books.committable


gaps = st.lists(st.integers(1, 5), min_size=1, max_size=60)


@given(gaps, st.integers(0, 2**20))
def test_the_position_stands_before_the_first_unfinished(steps: Sequence[int], seed: int) -> None:
    """Whatever the order of finishing, and with offsets missing from the log."""
    offsets, last = [], 9
    for step in steps:
        last += step
        offsets.append(last)
    books, chance = Partition(), random.Random(seed)
    books.take(offsets[: len(offsets) // 2])
    books.take(offsets[len(offsets) // 2 :])
    assert to_commit(books) is None
    shuffled = chance.sample(offsets, len(offsets))
    for count, offset in enumerate(shuffled, 1):
        books.finish([offset])
        unfinished = sorted(shuffled[count:])
        assert books.in_flight == len(unfinished)
        assert books.position == (unfinished[0] if unfinished else offsets[-1] + 1)
    assert to_commit(books) == offsets[-1] + 1
    books.committed(offsets[-1] + 1)
    assert to_commit(books) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 8), st.booleans()), max_size=80))
def test_reading_pauses_and_resumes_in_turn(steps: Sequence[tuple[bool, int, bool]]) -> None:
    """Never twice the same; never reading on at the bound or while the store is away."""
    books, taken, finished, paused = Partition(high=10, low=4), 0, 0, False
    for take, count, blocked in steps:
        if take:
            books.take(range(taken, taken + count))
            taken += count
        else:
            books.finish(range(finished, min(taken, finished + count)))
            finished = min(taken, finished + count)
        books.blocked = blocked
        flow = books.flow()
        assert flow != ("pause" if paused else "resume")
        paused = (flow == "pause") if flow is not None else paused
        if blocked or books.in_flight >= 10:
            assert paused
        if not blocked and books.in_flight <= 4:
            assert not paused


def test_an_offset_is_taken_once() -> None:
    """A second time would undo what was committed."""
    books = Partition()
    books.take([5])
    with pytest.raises(ValueError, match="bug"):
        books.take([5])
    with pytest.raises(ValueError, match="low"):
        Partition(high=1, low=1)


def test_finishing_again_is_harmless() -> None:
    """And what was never taken is no concern of ours."""
    books = Partition()
    books.finish([1])
    assert (books.in_flight, to_commit(books)) == (0, None)
    books.take([1, 2])
    books.finish([1])
    books.finish([1, 7])
    assert (books.position, books.in_flight) == (2, 1)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_few_large_messages_pause_reading_too(sizes: Sequence[int]) -> None:
    """By the bytes of what is unfinished, whichever of it is finished first."""
    books, paused = Partition(high=1_000, low=500, high_bytes=100, low_bytes=30), False
    unfinished: dict[int, int] = {}
    for offset, size in enumerate(sizes):
        books.take([offset], [size])
        unfinished[offset] = size
        if sum(unfinished.values()) >= 100:
            assert books.flow() == "pause"
            paused = True
        while paused:
            done = max(unfinished)
            del unfinished[done]
            books.finish([done, done])
            paused = sum(unfinished.values()) > 30
            assert books.flow() == (None if paused else "resume")
        assert books.flow() is None
