"""A folder whose files a manifest vouches for: names, sizes and digests, checked before use."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genpage.errors import BundleError
from runtime.arrays import FloatArray
from runtime.manifest import MANIFEST, MOST_BYTES, Manifest

_HASHED_AT_ONCE = 1 << 22
_ARRAY_FORMAT = (1, 0)


@dataclass(frozen=True, slots=True)
class VerifiedFolder:
    """Reads verified files. ``digest`` is the sha256 of the manifest's bytes."""

    folder: Path
    manifest: Manifest
    digest: str

    @classmethod
    def open(cls, folder: Path) -> "VerifiedFolder":
        """Check every file that the manifest lists; `BundleError` says which one is wrong."""
        path = folder / MANIFEST
        if not path.is_file():
            raise BundleError(f"{folder} is no bundle: it has no {MANIFEST}.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise BundleError(f"{path} has more than {MOST_BYTES} bytes; it is no manifest.")
        manifest = Manifest.parse(content)
        for name in manifest.files:
            _verify(folder, name, manifest)
        return cls(folder, manifest, hashlib.sha256(content).hexdigest())

    def path(self, name: str) -> Path:
        """Where a verified file is."""
        if name not in self.manifest.files:
            raise BundleError(f"{self.folder} is incomplete: its manifest lists no {name}.")
        return self.folder / name

    def bytes(self, name: str) -> bytes:
        """A file's content."""
        return self.path(name).read_bytes()

    def floats(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """A float32 array of exactly that shape."""
        array = self.array(name)
        if array.dtype != np.float32 or array.shape != shape:
            raise BundleError(
                f"{self.folder / name} holds {array.dtype} {array.shape}, the manifest promises "
                f"float32 {shape}; export the checkpoint again."
            )
        if not np.isfinite(array).all():
            raise BundleError(f"{self.folder / name} holds NaN or infinities: training diverged.")
        return array

    # Any: of whatever type the content encoder chose.
    def array(self, name: str) -> NDArray[Any]:
        """An array; its header must fit the file before memory is taken for it."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                if np.lib.format.read_magic(file) != _ARRAY_FORMAT:
                    raise BundleError(f"{path} is an array of another format.")
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                start = file.tell()
            expected = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
            if dtype.hasobject or expected != self.manifest.files[name].bytes:
                raise BundleError(f"{path} is of another size than its own header says.")
            array: NDArray[Any] = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise BundleError(f"{path} is no array: {error}") from error
        return array


def file_digest(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASHED_AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest()


def _verify(folder: Path, name: str, manifest: Manifest) -> None:
    path, record = folder / name, manifest.files[name]
    if path.is_symlink():
        raise BundleError(f"{path} is a link; a bundle holds its files itself. Copy it again.")
    if not path.is_file():
        raise BundleError(f"{folder} is incomplete: {name} is missing; copy it again.")
    size = path.stat().st_size
    if size != record.bytes:
        raise BundleError(
            f"{path} has {size} bytes, the manifest says {record.bytes}; copy it again."
        )
    if file_digest(path) != record.sha256:
        raise BundleError(f"{path} differs from its digest in the manifest; copy it again.")
