"""Which bundles' golden pages this host has met before, so that a restart need not make them again.

A verdict is an empty file, named by all that it depends on: the bundle's digest, the processor,
onnxruntime, NumPy, and the code and default rules that make pages. Where any of them is another, so
is the name, and the pages are made anew. Digests and shapes of the bundle's files are checked at
every start.
"""

import hashlib
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from genpage.source_files import digest_of, folders_of
from runtime.cpu import cpu_note
from runtime.sessions import runtime_version

_ROOMS: Final = ("genpage", "tokenizer", "runtime")
# The oldest beyond are let go.
_KEPT: Final = 64


class Verdicts:
    """In a folder of this user's on this host; with None nothing is remembered."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls) -> "Verdicts":
        """In the user's cache (XDG Base Directory Specification); none where there is no home."""
        given = Path(os.environ.get("XDG_CACHE_HOME", ""))
        with suppress(RuntimeError):
            # The specification has relative paths passed over.
            cache_folder = given if given.is_absolute() else Path.home() / ".cache"
            return cls(cache_folder / "genpage" / "verified")
        return cls()

    def holds(self, digest: str) -> bool:
        """Whether the golden pages of this bundle were met here, by what would make them now."""
        return self._folder is not None and (self._folder / _name(digest)).is_file()

    def remember(self, digest: str) -> None:
        """The golden pages were met. Where nothing can be written they are made again."""
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / _name(digest)).touch()
            files = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime)
            for file in files[:-_KEPT]:
                file.unlink(missing_ok=True)


def _name(digest: str) -> str:
    parts = (digest, cpu_note(), runtime_version(), np.__version__, _code())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _code() -> str:
    """A digest of the code and the default rules that make pages."""
    return digest_of([folder for room in _ROOMS for folder in folders_of(room)])
