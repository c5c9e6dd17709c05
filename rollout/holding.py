"""The folders of a server's own, and what a process that crashed left in them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Final
from uuid import uuid4

from genpage.hold import LOCK, Hold, held

_TEMPORARY: Final = re.compile(r"genpage-staging-[0-9a-f]{32}")
# What `rollout.active` and `rollout.refused` write before it takes its name.
_UNFINISHED: Final = re.compile(r"\.(active|refused)\.json\.[0-9]+")


@contextmanager
def state_folder(folder: Path | None) -> Iterator[None]:
    """``--state-dir``, held while inside, without what a crash left half written.

    `UsageError` where another server has it: they would remove each other's bundles.
    """
    if folder is None:
        yield
        return
    with held(folder, "--state-dir", "server"):
        for entry in folder.iterdir():
            if _UNFINISHED.fullmatch(entry.name):
                entry.unlink(missing_ok=True)
        yield


def temporary_folder() -> Path:
    """Where bundles go without a ``--state-dir``; it is made, and held, by whoever uses it."""
    return Path(gettempdir()) / f"genpage-staging-{uuid4().hex}"


def clear_temporary(among: Path) -> None:
    """Remove the temporary folders there that servers left which ended without doing so."""
    with suppress(OSError):
        for entry in tuple(among.iterdir()):
            if _TEMPORARY.fullmatch(entry.name) and (entry / LOCK).is_file():
                _clear(entry)


def _clear(entry: Path) -> None:
    with suppress(OSError):
        # Of somebody else's we can have no lock, and must not follow a link.
        if entry.is_symlink() or entry.stat().st_uid != os.getuid():
            return
        hold = Hold.take(entry)
        if hold is not None:
            shutil.rmtree(entry, ignore_errors=True)
            hold.release()
