"""The admin routes of a running server, for commands."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import orjson

from genpage.errors import GenPageError, UnavailableError, UsageError

ROOT: Final = "/admin/v1/checkpoints"
_PATIENCE_S: Final = 30.0
_KEYS: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class _Straight(HTTPRedirectHandler):
    """Follows no redirect: the key would go along, to wherever it points."""

    # Any: as its base has them.
    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        """None is a refusal, told as the status that it is."""


@dataclass(frozen=True, slots=True)
class AdminClient:
    """A server at ``url``, such as http://127.0.0.1:8700; ``key`` is an admin key."""

    url: str
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UsageError(f"--url {self.url!r} is no server, such as http://127.0.0.1:8700")

    # Any: JSON.
    def get(self, path: str = "", *, needs: tuple[str, ...] = ()) -> dict[str, Any]:
        """The document at a path below the admin routes, which ``needs`` these fields."""
        return self._call("GET", path, None, needs)

    def post(
        self, path: str = "", document: object | None = None, *, needs: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The answer to a document, or to none."""
        return self._call("POST", path, document, needs)

    def activate(self, version: str) -> dict[str, Any]:
        """Make pages with a version."""
        return self.post(f"/{quote(version, safe='')}/activate", needs=("version",))

    def _call(
        self, method: str, path: str, document: object | None, needs: tuple[str, ...]
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = Request(  # noqa: S310 - the scheme is checked above
            f"{self.url.rstrip('/')}{ROOT}{path}",
            method=method,
            data=None if document is None else orjson.dumps(document),
            headers=headers,
        )
        try:
            with build_opener(_Straight).open(request, timeout=_PATIENCE_S) as answer:
                found = orjson.loads(answer.read())
        except HTTPError as error:
            raise _told(self.url, error) from error
        except (URLError, OSError) as error:
            why = getattr(error, "reason", error)
            raise UnavailableError(f"--url {self.url} does not answer: {why}") from error
        except orjson.JSONDecodeError as error:
            raise UsageError(f"--url {self.url} is no GenPage server") from error
        if not isinstance(found, dict) or not all(name in found for name in needs):
            raise UsageError(f"--url {self.url} is no GenPage server of this version")
        return found


def _told(url: str, error: HTTPError) -> GenPageError:
    """The server's own words, and what to do about a key."""
    try:
        detail = orjson.loads(error.read())["detail"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return UsageError(f"--url {url} is no GenPage server: HTTP status {error.code}")
    if error.code in _KEYS:
        return UsageError(f"{url}: {detail} Give it as GENPAGE_ADMIN_KEY.")
    return GenPageError(f"{url}: {detail}")
