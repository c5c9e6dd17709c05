"""Whether there is memory for one more bundle, judged before any of it is loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from genpage.audience import MOST_BYTES as AUDIENCES_BYTES
from rollout.refusal import RefusedError
from runtime.manifest import Manifest
from runtime.snapshot import packed_bytes

# Bytes free now.
Available = Callable[[], int]

_FLOAT: Final = 4
# Weights are read, then packed for the CPU; tables are held as they are, and the head is packed
# beside them. What else a load takes for a moment is within these.
_WEIGHTS_COPIES: Final = 2.0
# Documents become objects.
_DOCUMENTS_GROW: Final = 6.0
# One over the whole catalog; those over what some may see take as much again at most, places in
# the catalog included.
_HEADS: Final = 2
_CGROUP: Final = Path("/sys/fs/cgroup")


def needed(manifest: Manifest, slots: int, kv_bytes: int) -> int:
    """About what the bundle takes when its KV slots hold all they may, ``kv_bytes``, in bytes.

    Eligible sets are counted with all that they may take.
    """
    trunk = manifest.trunk
    slot = 2 * trunk.layers * trunk.kv_heads * trunk.head_dim * trunk.capacity * _FLOAT
    kv = min(slot * slots, max(slot, kv_bytes))
    items = manifest.rows + manifest.entities
    head = _HEADS * packed_bytes(items, manifest.rows, trunk.width, manifest.precision)
    weights = documents = 0
    for name, record in manifest.files.items():
        if name.endswith(".json"):
            documents += record.bytes
        else:
            weights += record.bytes
    made = kv + head + AUDIENCES_BYTES
    return int(made + _WEIGHTS_COPIES * weights + _DOCUMENTS_GROW * documents)


def available() -> int:
    """What this process may still take: of the machine, and of its control group."""
    free = int(psutil.virtual_memory().available)
    group = _group_left(_CGROUP)
    return free if group is None else min(free, group)


def check(
    manifest: Manifest, slots: int, kv_bytes: int, free: Available = available, written: int = 0
) -> None:
    """Raise `RefusedError` where the bundle would not fit beside what is loaded.

    ``written`` are bytes of files that count as memory where they are written.
    """
    wanted, left = needed(manifest, slots, kv_bytes) + written, free()
    if wanted > left:
        raise RefusedError(
            "no-room",
            f"the bundle takes about {wanted >> 20} MiB with its KV, and {left >> 20} MiB are "
            "free; give the server more memory or a smaller --kv-memory",
        )


def _group_left(root: Path) -> int | None:
    """What the control group leaves, version 2 or 1; None where it bounds nothing."""
    for limit_name, usage_name, stat_name, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        try:
            limit = (root / limit_name).read_text("ascii").strip()
            if limit == "max":
                return None
            usage = int((root / usage_name).read_text("ascii"))
            lines = (root / stat_name).read_text("ascii").splitlines()
        except (OSError, ValueError):
            continue
        # Cached files count as used, and are given back when memory is asked for.
        cached = next((int(line.split()[1]) for line in lines if line.split()[0] == cache), 0)
        return max(0, int(limit) - usage + cached)
    return None
