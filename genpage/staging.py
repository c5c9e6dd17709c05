"""Folders and files that appear whole or not at all.

What is written goes to a temporary name beside the target, is fsynced, and takes the target's
place by rename. A folder cannot be renamed over one that is not empty, so the old one steps aside
for the moment between two renames; a process killed in that moment leaves it beside, under a name
that the next run finds and puts back. A file has no such moment: it is the old one or the new one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from genpage.errors import UsageError

# What the names of things that are not finished end with.
UNFINISHED: Final = ".unfinished"


def refuse_existing(target: Path, *, force: bool) -> None:
    """Raise `UsageError` where ``target`` exists and is not to be replaced."""
    if target.exists() and not force:
        raise UsageError(f"{target} exists already; give another --out, or --force to replace it")


@contextmanager
def staged(target: Path, *, force: bool = True) -> Iterator[Path]:
    """An empty folder to fill; on leaving it becomes ``target``.

    An existing ``target`` is refused unless ``force``, and then stays until the new one is
    complete. An exception inside leaves it untouched and removes the unfinished folder; what a
    killed run left is cleared.
    """
    unfinished = target.with_name(f".{target.name}{UNFINISHED}")
    old = target.with_name(f".{target.name}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not target.exists():
            old.rename(target)  # a run was killed between the two renames
        refuse_existing(target, force=force)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        yield unfinished
        sync(unfinished)
        _replace(unfinished, target, old)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A place beside a file's; what was written there takes the file's place on leaving.

    It has reached the disk by then, and so has its name once the block is left. An exception inside
    leaves the file untouched and removes what was written; what a killed run left is written over.
    One process at a time writes a file.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}{UNFINISHED}")
    try:
        yield unfinished
        _fsync(unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    _fsync(file.parent)


def write_whole(file: Path, content: bytes) -> None:
    """Have a file hold this and nothing else, whole or not at all (`replacing`)."""
    with replacing(file) as unfinished:
        unfinished.write_bytes(content)


def sync(folder: Path) -> None:
    """Have every file in ``folder``, and the folder itself, reach the disk."""
    for path in (*sorted(folder.rglob("*")), folder):
        _fsync(path)


def _replace(finished: Path, target: Path, old: Path) -> None:
    _remove(old)
    if target.exists():
        target.rename(old)
    finished.rename(target)
    _fsync(target.parent)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)  # --force over a plain file


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
