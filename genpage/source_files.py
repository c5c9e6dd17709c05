"""Which code something was made by: a digest of the source files that decide it.

Nobody has to remember to raise a number: another line of code is another digest.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path


def folders_of(room: str) -> Sequence[Path]:
    """Where a room's files lie; nowhere where it is not installed."""
    spec = find_spec(room)
    return [Path(place) for place in (spec and spec.submodule_search_locations) or ()]


def digest_of(folders: Sequence[Path], aside: Collection[Path] = ()) -> str:
    """The sha256 of the names and contents of all Python and TOML files below some folders.

    ``aside`` are files and folders, relative to each of them, that decide nothing.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for name in _source_files(folder):
            if not any(name.is_relative_to(each) for each in aside):
                content = (folder / name).read_bytes()
                digest.update(f"{folder.name}/{name.as_posix()} {len(content)}\n".encode())
                digest.update(content)
    return digest.hexdigest()


def _source_files(folder: Path) -> Iterator[Path]:
    """By their names within the folder, in order."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".py", ".toml"}:
            yield path.relative_to(folder)
