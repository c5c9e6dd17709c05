"""KV memory: slots are contiguous, and take only the memory that is written."""

from dataclasses import replace
from pathlib import Path

import pytest

from runtime.pool import KVPool, KVShape

SHAPE = KVShape(layers=2, kv_heads=4, head_dim=64, length=5121)
_STATM = Path("/proc/self/statm")
_PAGE = 4096


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(_STATM.read_text("ascii").split()[1]) * _PAGE


def test_a_slot_is_its_own_contiguous_memory() -> None:
    """Writing one slot touches no other, and each is bound without a copy."""
    pool = KVPool(SHAPE, slots=3)
    for array in pool.slot(1):
        assert array.flags.c_contiguous
        array[...] = 1.0
    assert not any(array[[0, 2]].any() for array in pool.arrays)
    assert all(array[1].all() for array in pool.arrays)


def test_memory_is_taken_as_it_is_written() -> None:
    """A slot reserved for 5,120 tokens that holds 600 costs about 600 tokens' memory."""
    before = resident()
    pool = KVPool(SHAPE, slots=8)
    for array in pool.slot(0):
        array[:, :, :600] = 1.0
    taken = resident() - before
    assert taken < 2 * sum(array[0, :, :600].nbytes for array in pool.arrays)


def test_what_is_dropped_leaves_memory_and_reads_as_zeros() -> None:
    """Of that slot alone; it can be written again."""
    pool = KVPool(SHAPE, slots=3)
    for slot in range(3):
        for array in pool.slot(slot):
            array[:, :, :2000] = 1.0 + slot
    before = resident()
    pool.drop(1)
    given = before - resident()
    assert given > 0.9 * 2000 * pool.token_bytes
    assert not any(array[1].any() for array in pool.arrays)
    for slot in (0, 2):
        assert all((array[slot, :, :2000] == 1.0 + slot).all() for array in pool.arrays)
    pool.slot(1)[0][...] = 5.0
    assert pool.arrays[0][1].all()


@pytest.mark.parametrize("head_dim", [1, 48, 80, 96, 128])
def test_any_width_of_a_head_can_be_dropped(head_dim: int) -> None:
    """Slots begin at whole pages of memory, though a token's bytes do not divide one."""
    pool = KVPool(replace(SHAPE, kv_heads=3, head_dim=head_dim, length=33), slots=3)
    for slot in range(3):
        for array in pool.slot(slot):
            array[...] = 1.0 + slot
    pool.drop(1)
    assert not any(array[1].any() for array in pool.arrays)
    assert all((array[slot] == 1.0 + slot).all() for array in pool.arrays for slot in (0, 2))
