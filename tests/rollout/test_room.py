"""Room for one more bundle: its packed weights are counted where they are written."""

from dataclasses import replace
from pathlib import Path

import pytest

from genpage.audience import MOST_BYTES
from rollout import memory, room
from rollout.refusal import RefusedError
from runtime.bundle import Bundle
from runtime.model import LoadSettings
from runtime.packing import written_bytes

LOADING = LoadSettings(slots=4, batch=4)


def test_packed_weights_count_as_memory_where_a_file_does(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container's temporary folder, not on a disk."""
    manifest = Bundle.open(first).manifest
    just_enough = memory.needed(manifest, LOADING.slots, LOADING.kv_bytes)
    monkeypatch.setattr("rollout.room.is_in_memory", lambda _: False)
    room.check(manifest, LOADING, lambda: just_enough)
    monkeypatch.setattr("rollout.room.is_in_memory", lambda _: True)
    with pytest.raises(RefusedError, match="MiB are free"):
        room.check(manifest, LOADING, lambda: just_enough)
    room.check(manifest, LOADING, lambda: just_enough + written_bytes(manifest, LOADING.lanes))
    room.check(manifest, replace(LOADING, batch=1), lambda: just_enough)


def test_eligible_sets_are_counted_beside_the_bundle(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They grow with the audiences that come, up to their bound."""
    manifest = Bundle.open(first).manifest
    needed = memory.needed(manifest, LOADING.slots, LOADING.kv_bytes)
    monkeypatch.setattr(memory, "AUDIENCES_BYTES", 0)
    assert memory.needed(manifest, LOADING.slots, LOADING.kv_bytes) == needed - MOST_BYTES


def test_a_disk_without_room_for_packed_weights_is_refused(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded, naming the folder."""
    manifest, loading = Bundle.open(first).manifest, replace(LOADING, packed=tmp_path)
    written = written_bytes(manifest, loading.lanes)
    monkeypatch.setattr("rollout.room.is_in_memory", lambda _: False)
    monkeypatch.setattr("rollout.room.free_bytes", lambda _: written)
    room.check(manifest, loading, lambda: 1 << 40)
    monkeypatch.setattr("rollout.room.free_bytes", lambda _: written - 1)
    with pytest.raises(RefusedError, match=str(tmp_path)) as refused:
        room.check(manifest, loading, lambda: 1 << 40)
    assert refused.value.kind == "no-room"
