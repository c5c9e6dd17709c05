"""Folders that appear whole or not at all.

What is written goes to a temporary name beside the target, is fsynced, and takes the target's
place by one rename; a process killed in between leaves the old folder as it was.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genpage.errors import UsageError


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """An empty folder to fill; on leaving it becomes ``target``, replacing what was there.

    An exception inside leaves ``target`` untouched and removes the unfinished folder.
    """
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        yield unfinished
        sync(unfinished)
        _replace(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def sync(folder: Path) -> None:
    """Have every file in ``folder``, and the folder itself, reach the disk."""
    for path in (*sorted(folder.rglob("*")), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(finished: Path, target: Path) -> None:
    # A folder cannot be renamed over one that is not empty: the old one steps aside first.
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    finished.rename(target)
    sync_parent = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(sync_parent)
    finally:
        os.close(sync_parent)
    shutil.rmtree(old, ignore_errors=True)
