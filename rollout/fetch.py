"""A bundle brought to a folder of ours, whole or not at all.

::

    STAGING/DIGEST.part/   what has arrived; a broken transfer goes on from there
    STAGING/DIGEST/        all of it, every byte as the manifest says
    STAGING/DIGEST.gone/   what is being removed: half of a bundle never bears its name

It is always copied, a local one too: the bundle that serves, and the one that a rollback or a
restart needs, must not change or vanish under us.
"""

import hashlib
import math
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    wait_exponential,
)
from tenacity.stop import stop_base

from genpage.errors import BundleError
from genpage.staging import sync
from rollout.pace import Pace
from rollout.refusal import RefusedError
from rollout.source import Source, Sources, TransferError
from runtime.manifest import MANIFEST, MOST_BYTES, FileRecord, Manifest

# In a row, and how long between; then it is announced again or not at all.
ATTEMPTS: Final = 5
WAIT_S: Final = 0.2
T = TypeVar("T")
_LEFT_FREE: Final = 64 << 20
_HASHED_AT_ONCE: Final = 1 << 20
# All that is ever removed.
_OURS: Final = re.compile(r"[0-9a-f]{64}(\.part|\.gone)?")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a bundle may come to, and how long it may take: see `Pace`.

    ``least_rate`` is in bytes a second, and holds for each file after ``grace_s``; the manifest
    must be there by ``manifest_s``.
    """

    bytes: int = 16 << 30
    files: int = 256
    manifest_s: float = 60.0
    grace_s: float = 30.0
    least_rate: float = 16 << 10


@dataclass(frozen=True, slots=True)
class Found:
    """What a source says that it has. ``content`` is the manifest's, which ``digest`` is of."""

    uri: str
    manifest: Manifest
    content: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """A bundle in a folder of ours; ``digest`` is its manifest's."""

    folder: Path
    manifest: Manifest
    digest: str


class Fetcher:
    """Fetches bundles into ``staging``."""

    def __init__(
        self,
        staging: Path,
        sources: Sources,
        bounds: Bounds | None = None,
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        self.staging = staging
        self._sources = sources
        self._bounds = bounds or Bounds()
        self._wait_s = wait_s
        self._tidying = threading.Lock()

    def find(
        self, uri: str, digest: str | None, wanted: Callable[[], bool] = lambda: True
    ) -> Found:
        """The manifest at ``uri``; `RefusedError` where it is not the one with ``digest``."""
        source = self._sources.open(uri)
        bounds = self._bounds

        def content_of() -> bytes:
            return _manifest_of(source, Pace(wanted, bounds.manifest_s, math.inf))

        content = self._patiently(content_of, wanted)
        found = hashlib.sha256(content).hexdigest()
        if digest is not None and found != digest:
            raise RefusedError(
                "digest", f"the bundle at {uri} has the digest {found}, not {digest} as announced"
            )
        try:
            manifest = Manifest.parse(content)
        except BundleError as error:
            raise RefusedError("bundle", str(error)) from error
        self._check_size(manifest)
        return Found(uri, manifest, content, found)

    def fetch(self, found: Found, wanted: Callable[[], bool]) -> Fetched:
        """Bring the bundle here, or find it here; gives up between two pieces once not ``wanted``.

        Raises `RefusedError`, of the kind "away" where the source fails time and again.
        """
        fetched = Fetched(self.staging / found.digest, found.manifest, found.digest)
        if fetched.folder.exists() and damage(fetched) is not None:
            with self._tidying:
                gone = _put_aside(fetched.folder)
            _discard(gone)
        if not fetched.folder.is_dir():
            source = self._sources.open(found.uri)
            arriving = self.staging / f"{found.digest}.part"
            with self._tidying:
                self._make_room(arriving, found.manifest)
            for name, record in found.manifest.files.items():
                self._patiently(
                    partial(self._bring, source, arriving / name, record, wanted), wanted
                )
            Pace(wanted, 0.0, 0.0).require()
            (arriving / MANIFEST).write_bytes(found.content)
            sync(arriving)
            arriving.rename(fetched.folder)
        return fetched

    def keep_only(self, needed: Callable[[], set[str]]) -> None:
        """Remove what was fetched, or began to be, but for the digests that are ``needed``.

        Whatever else lies there is not ours. May be called on another thread than `fetch`.
        """
        if not self.staging.is_dir():
            return
        with self._tidying:
            # Asked inside, so that nothing can begin to arrive in between.
            kept = needed()
            ours = [entry for entry in self.staging.iterdir() if _OURS.fullmatch(entry.name)]
            gone = [_put_aside(e) for e in ours if e.name.removesuffix(".part") not in kept]
        for entry in gone:
            _discard(entry)

    def clear(self) -> None:
        """Remove what was being removed when a process ended."""
        if not self.staging.is_dir():
            return
        with self._tidying:
            for entry in tuple(self.staging.glob("*.gone")):
                if _OURS.fullmatch(entry.name):
                    _discard(entry)

    def _check_size(self, manifest: Manifest) -> None:
        total = sum(record.bytes for record in manifest.files.values())
        if len(manifest.files) > self._bounds.files or total > self._bounds.bytes:
            raise RefusedError(
                "too-large",
                f"the bundle has {len(manifest.files)} files of {total} bytes together; "
                f"{self._bounds.files} files of {self._bounds.bytes} bytes may be fetched",
            )

    def _make_room(self, folder: Path, manifest: Manifest) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for entry in folder.iterdir():
            # Only what the manifest names, and only files of our own making.
            if entry.name not in manifest.files or entry.is_symlink() or not entry.is_file():
                _remove(entry)
        there = sum(entry.stat().st_size for entry in folder.iterdir())
        missing = sum(record.bytes for record in manifest.files.values()) - there
        free = shutil.disk_usage(folder).free
        if missing + _LEFT_FREE > free:
            raise RefusedError(
                "no-room", f"{missing} bytes are to be fetched and {self.staging} has {free} left"
            )

    def _bring(
        self, source: Source, path: Path, record: FileRecord, wanted: Callable[[], bool]
    ) -> None:
        _bring(source, path, record, Pace(wanted, self._bounds.grace_s, self._bounds.least_rate))

    def _patiently(self, work: Callable[[], T], wanted: Callable[[], bool]) -> T:
        """Do it again where a transfer broke; each time it goes on from what has arrived."""
        again = Retrying(
            retry=retry_if_exception_type(TransferError),
            stop=stop_any(stop_after_attempt(ATTEMPTS), _Unwanted(wanted)),
            wait=wait_exponential(self._wait_s, max=10.0),
            reraise=True,
        )
        try:
            return again(work)
        except TransferError as error:
            raise RefusedError("away", f"{error}; announce it again") from error


class _Unwanted(stop_base):
    """Stop once nobody wants it."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted

    def __call__(self, retry_state: RetryCallState) -> bool:
        """See `stop_base`."""
        del retry_state
        return not self._wanted()


def damage(fetched: Fetched) -> str | None:
    """What of a fetched bundle is not as its manifest says, None where all is."""
    if not fetched.folder.is_dir():
        return f"{fetched.folder} is no folder"
    for name, record in fetched.manifest.files.items():
        path = fetched.folder / name
        held = path.stat().st_size if path.is_file() else 0
        problem = _problem(path, held, record)
        if problem is not None:
            return problem
    manifest = fetched.folder / MANIFEST
    if not manifest.is_file() or _digest_of(manifest) != fetched.digest:
        return f"{MANIFEST} is another one"
    return None


def _put_aside(entry: Path) -> Path:
    """Under a name that says that it is being removed."""
    gone = entry.with_name(f"{entry.name[:64]}.gone")
    if gone == entry:
        return gone
    _discard(gone)
    return entry.rename(gone)


def _discard(entry: Path) -> None:
    """Remove what may be gone already, or be going."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _manifest_of(source: Source, pace: Pace) -> bytes:
    content = b""
    for piece in source.pieces(MANIFEST, 0, MOST_BYTES):
        pace.arrived(len(piece))
        content += piece
        if len(content) > MOST_BYTES:
            raise RefusedError("too-large", f"{MANIFEST} has more than {MOST_BYTES} bytes")
    return content


def _bring(source: Source, path: Path, record: FileRecord, pace: Pace) -> None:
    """Append what is missing of a file, then check all of it."""
    held = path.stat().st_size if path.exists() else 0
    if held > record.bytes:
        path.unlink()
        held = 0
    resumed = held > 0
    with path.open("ab") as file:
        if held < record.bytes:
            for piece in source.pieces(path.name, held, record.bytes):
                pace.arrived(len(piece))
                file.write(piece)
                held += len(piece)
                if held > record.bytes:
                    break
    problem = _problem(path, held, record)
    if problem is None:
        return
    pace.require()
    path.unlink()
    if resumed:
        # What lay here may have been of an earlier state: once more from the beginning.
        raise TransferError(problem)
    raise RefusedError("damaged", f"{problem}; copy the bundle again")


def _problem(path: Path, held: int, record: FileRecord) -> str | None:
    if held != record.bytes:
        return f"{path.name} has {held} bytes where the manifest says {record.bytes}"
    if _digest_of(path) != record.sha256:
        return f"{path.name} differs from its digest in the manifest"
    return None


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as file:
        while piece := file.read(_HASHED_AT_ONCE):
            digest.update(piece)
    return digest.hexdigest()
