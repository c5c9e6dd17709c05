"""Where a bundle may come from, and its bytes read from there.

``file:`` URIs work by default, others where their beginning is on the allow-list. Decisions:

1. A list that names ``file:`` places bounds those too, with links resolved; without one any folder
   that the process can read will do.
2. Only plain file names of the manifest are ever joined to a URI, and a file that is a link is
   refused, so that nothing outside of the folder is read.
3. Redirects are not followed: they would leave the allow-list.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import fsspec

from genpage.errors import UsageError
from rollout.refusal import RefusedError

PIECE: Final = 4 << 20
_CONNECT_S: Final = 10.0
_QUIET_S: Final = 30.0
_OK, _PARTIAL = 200, 206


class TransferError(Exception):
    """A transfer broke; it may be taken up again."""


class Source(Protocol):
    """A folder somewhere. Used by one thread."""

    def pieces(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """The bytes of a file of about ``size`` bytes behind its first ``start``.

        `RefusedError` where it is not there or no file, `TransferError` where it breaks off.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """The allow-list: URI prefixes, such as ``https://bundles.example/genpage/``."""

    prefixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for prefix in self.prefixes:
            if not _scheme_of(prefix) or not _well_formed(prefix):
                raise UsageError(
                    f"--checkpoint-sources: {prefix!r} is no beginning of a URI, such as "
                    "https://bundles.example/genpage/"
                )

    def open(self, uri: str) -> Source:
        """The folder at ``uri``; `RefusedError` where it is not on the list."""
        if not _well_formed(uri):
            raise RefusedError("not-allowed", f"{uri} is no plain URI of a folder")
        parts = urlsplit(uri)
        if parts.scheme == "file":
            return self._local(uri, parts)
        if not any(_begins(parts, urlsplit(prefix)) for prefix in self.prefixes):
            raise RefusedError(
                "not-allowed",
                f"{uri} is not allowed; --checkpoint-sources lists what may be fetched from",
            )
        return RemoteFolder(uri.rstrip("/"))

    def _local(self, uri: str, parts: SplitResult) -> "LocalFolder":
        folder = Path(unquote(parts.path))
        if parts.netloc not in {"", "localhost"} or not folder.is_absolute():
            raise RefusedError("not-allowed", f"{uri} is no folder of this machine")
        resolved = Path(os.path.realpath(folder))
        bounds = [urlsplit(prefix) for prefix in self.prefixes if _scheme_of(prefix) == "file"]
        places = [Path(os.path.realpath(unquote(bound.path) or "/")) for bound in bounds]
        if places and not any(resolved.is_relative_to(place) for place in places):
            raise RefusedError(
                "not-allowed",
                f"{uri} is not allowed; --checkpoint-sources lists what may be fetched from",
            )
        return LocalFolder(resolved)


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine."""

    folder: Path

    def pieces(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """See `Source`."""
        del size
        path = self.folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise RefusedError(
                    "damaged", f"{path} is a link; a bundle holds its files itself. Copy it again."
                ) from error
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise RefusedError("gone", f"{path} is not there") from error
            raise TransferError(f"{path}: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RefusedError("damaged", f"{path} is no file")
            try:
                file.seek(start)
                while piece := file.read(PIECE):
                    yield piece
            except OSError as error:
                raise TransferError(f"{path}: {error.strerror}") from error


class RemoteFolder:
    """A folder that fsspec reads."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._over_http = _scheme_of(uri) in {"http", "https"}
        # Any: it ships no types. Made when first needed, since what it needs may not be installed.
        self._files: Any = None

    def pieces(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """See `Source`."""
        url = f"{self._uri}/{name}"
        try:
            if self._files is None:
                self._files = self._file_system()
            yield from self._stream(url, start, size) if self._over_http else self._read(url, start)
        except RefusedError:
            raise
        except FileNotFoundError as error:
            raise RefusedError("gone", f"{url} is not there") from error
        except (ImportError, ValueError) as error:
            raise RefusedError("not-allowed", f"{url} cannot be read here: {error}") from error
        except Exception as error:  # each file system has its own, with no common base
            raise TransferError(f"{url}: {error!r}") from error

    # Any: see above.
    def _file_system(self) -> Any:  # noqa: ANN401
        options: dict[str, Any] = {}
        if self._over_http:
            import aiohttp  # noqa: PLC0415 - fsspec's HTTP needs it, and nothing else here

            patience = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_S, sock_read=_QUIET_S
            )
            options["client_kwargs"] = {"timeout": patience, "trust_env": True}
        return fsspec.filesystem(_scheme_of(self._uri), skip_instance_cache=True, **options)

    def _stream(self, url: str, start: int, size: int) -> Iterator[bytes]:
        """One request for all that is missing."""
        ranged = {"headers": {"Range": f"bytes={start}-"}} if start else {}
        with self._files.open(
            url, block_size=0, size=max(size, 1), allow_redirects=False, **ranged
        ) as file:
            status = file.r.status
            if status not in {_OK, _PARTIAL}:
                raise TransferError(f"{url}: HTTP status {status}")
            # A server that knows no ranges sends all of it again.
            skip = start if status == _OK else 0
            while piece := file.read(PIECE):
                yield piece[skip:]
                skip = max(0, skip - len(piece))

    def _read(self, url: str, start: int) -> Iterator[bytes]:
        """A request a piece."""
        with self._files.open(url, "rb", block_size=PIECE, cache_type="none") as file:
            if start >= file.size:
                return
            file.seek(start)
            while piece := file.read(PIECE):
                yield piece


def _scheme_of(uri: str) -> str:
    return urlsplit(uri).scheme


def _well_formed(uri: str) -> bool:
    """One plain place: no chained file systems, no way up, nothing behind the path."""
    try:
        parts = urlsplit(uri)
        names = unquote(parts.path).split("/")
        wrong = "::" in uri or "\\" in uri or not uri.isprintable() or " " in uri
        hidden = "@" in parts.netloc or parts.query or parts.fragment or "?" in uri or "#" in uri
    except ValueError:
        return False
    return bool(parts.scheme) and not wrong and not hidden and not {".", ".."} & set(names)


def _begins(uri: SplitResult, prefix: SplitResult) -> bool:
    """Whether a URI lies at or below a prefix: whole names, the same host and port."""
    same_place = (uri.scheme, uri.netloc.lower()) == (prefix.scheme, prefix.netloc.lower())
    path, bound = unquote(uri.path).rstrip("/"), unquote(prefix.path).rstrip("/")
    return same_place and (path == bound or path.startswith(f"{bound}/"))
