"""Room for one more bundle: in memory, and where its packed weights are written."""

from rollout import memory
from rollout.refusal import RefusedError
from runtime.manifest import Manifest
from runtime.model import LoadSettings
from runtime.packing import free_bytes, is_in_memory, written_bytes


def check(manifest: Manifest, loading: LoadSettings, free: memory.Available) -> None:
    """Raise `RefusedError` where either is too small; before any of the bundle is loaded."""
    written = written_bytes(manifest, loading.lanes)
    counted = written if written and is_in_memory(loading.packed) else 0
    memory.check(manifest, loading.slots, loading.kv_bytes, free, counted)
    if not written:
        return
    left = free_bytes(loading.packed)
    if written > left:
        where = "TMPDIR" if loading.packed is None else loading.packed
        raise RefusedError(
            "no-room",
            f"the bundle's packed weights take {written >> 20} MiB in {where}, and "
            f"{left >> 20} MiB are free there",
        )
