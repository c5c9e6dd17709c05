"""Folders that one process has to itself.

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
from typing import Final

from genpage.errors import UsageError

LOCK: Final = ".lock"


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
def held(folder: Path, flag: str, whose: str) -> Iterator[None]:
    """The folder that a flag names, held while inside for one of ``whose`` kind.

    `UsageError` where another has it, or where it can be no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{flag} {folder} is a file; give a folder")
    try:
        hold = Hold.take(folder)
    except OSError as error:
        raise UsageError(f"{flag} {folder} cannot be held: {error.strerror}") from error
    if hold is None:
        raise UsageError(f"{flag} {folder} is in use by another {whose}; give each {whose} its own")
    try:
        yield
    finally:
        hold.release()


def clear_abandoned(among: Path, name: re.Pattern[str]) -> None:
    """Remove the folders there of such a name that were held, and that nobody holds any more."""
    with suppress(OSError):
        for entry in tuple(among.iterdir()):
            if name.fullmatch(entry.name) and (entry / LOCK).is_file():
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
