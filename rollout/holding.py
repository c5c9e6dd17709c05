"""Folders that one process has to itself, and what a process that crashed left in them.

A lock of the kernel's holds a folder: it ends with its process, however that ends, so that what
lies in a folder that nobody holds is nobody's.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Final
from uuid import uuid4

from genpage.errors import UsageError

LOCK: Final = ".lock"
_TEMPORARY: Final = re.compile(r"genpage-staging-[0-9a-f]{32}")
# What `rollout.active` and `rollout.refused` write before it takes its name.
_UNFINISHED: Final = re.compile(r"\.(active|refused)\.json\.[0-9]+")


class Hold:
    """A folder's lock, until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, folder: Path) -> "Hold | None":
        """The hold of a folder, made where it is missing; None where somebody has it.

        `OSError` where there can be none.
        """
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / LOCK
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except OSError:
                os.close(descriptor)
                raise
            # Whoever cleared the folder away in between had it first.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), file.stat()):
                    return cls(descriptor)
            os.close(descriptor)

    def release(self) -> None:
        """Let somebody else have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def state_folder(folder: Path | None) -> Iterator[None]:
    """``--state-dir``, held while inside, without what a crash left half written.

    `UsageError` where another server has it: they would remove each other's bundles.
    """
    if folder is None:
        yield
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--state-dir {folder} is a file; give a folder")
    try:
        hold = Hold.take(folder)
    except OSError as error:
        raise UsageError(f"--state-dir {folder} cannot be held: {error.strerror}") from error
    if hold is None:
        raise UsageError(
            f"--state-dir {folder} is in use by another server; give each server its own"
        )
    try:
        for entry in folder.iterdir():
            if _UNFINISHED.fullmatch(entry.name):
                entry.unlink(missing_ok=True)
        yield
    finally:
        hold.release()


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
