"""Where a trunk's packed weights are written as it is loaded, and what they take there.

The file loses its name once it is mapped, and its bytes go with the process. Where a process is
killed before that, its folder stays: whoever packs next to it removes what nobody holds.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Final
from uuid import uuid4

import psutil

from genpage.hold import Hold, clear_abandoned
from runtime.manifest import Manifest

_NAME: Final = re.compile(r"genpage-weights-[0-9a-f]{32}")
# Weights as they are read, and packed ones beside them.
_COPIES: Final = 2
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


@contextmanager
def packing_folder(parent: Path | None) -> Iterator[Path]:
    """A new folder in ``parent`` (None: the temporary folder), gone behind the block.

    `OSError` where there can be none.
    """
    among = Path(gettempdir()) if parent is None else parent
    among.mkdir(parents=True, exist_ok=True)
    clear_abandoned(among, _NAME)
    hold = None
    while hold is None:  # somebody who clears up may be faster
        folder = among / f"genpage-weights-{uuid4().hex}"
        hold = Hold.take(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        hold.release()


def written_bytes(manifest: Manifest, lanes: Sequence[int]) -> int:
    """The most that loading a bundle writes for passes of so many lanes."""
    if tuple(lanes) == (1,):
        return 0
    trunk = (record for name, record in manifest.files.items() if name.startswith("trunk."))
    return _COPIES * sum(record.bytes for record in trunk)


def free_bytes(parent: Path | None) -> int:
    """What may still be written to where weights are packed."""
    return shutil.disk_usage(_existing(parent)).free


def is_in_memory(parent: Path | None) -> bool:
    """Whether what is written there counts as memory: a container's ``/tmp`` often is one."""
    place, kind = _existing(parent).resolve(), ""
    longest = -1
    for mount in psutil.disk_partitions(all=True):
        point = Path(mount.mountpoint)
        if len(point.parts) > longest and place.is_relative_to(point):
            longest, kind = len(point.parts), mount.fstype
    return kind in _IN_MEMORY


def _existing(parent: Path | None) -> Path:
    """The folder, or the nearest one above it that is there."""
    place = Path(gettempdir()) if parent is None else parent.absolute()
    return next(each for each in (place, *place.parents) if each.is_dir())
