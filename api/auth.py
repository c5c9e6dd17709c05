"""Keys: who may call what.

``Authorization: Bearer KEY`` or ``X-API-Key: KEY``. Several keys hold at once, so that one can be
replaced without a gap. Keys are compared by digest in constant time, and kept as digests alone.
What is not named public needs a key, so that a route added later is closed by default.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem
from genpage.errors import UsageError

_PUBLIC = frozenset(
    {"/", "/livez", "/readyz", "/metrics", "/version", "/openapi.json", "/favicon.ico"}
)
_PUBLIC_TREE = "/web/"
_NO_KEY = Problem(
    401,
    "unauthorized",
    "This needs a key: Authorization: Bearer KEY, or X-API-Key: KEY.",
    headers={"WWW-Authenticate": "Bearer"},
)
_WRONG_KEY = Problem(
    401, "unauthorized", "This key is not valid.", headers={"WWW-Authenticate": "Bearer"}
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that hold, as digests."""

    digests: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, keys: Iterable[str] = ()) -> "Keys":
        """From the keys themselves; `UsageError` for one that no header can carry."""
        return cls(tuple(map(_digest_of, keys)))

    @property
    def on(self) -> bool:
        """Whether keys are asked for at all."""
        return bool(self.digests)

    def refusal(self, path: str, presented: str | None) -> Problem | None:
        """Why a call is refused, None where it may pass."""
        if not self.on or path in _PUBLIC or path.startswith(_PUBLIC_TREE):
            return None
        if presented is None:
            return _NO_KEY
        digest = hashlib.sha256(presented.encode()).digest()
        return None if _among(digest, self.digests) else _WRONG_KEY


class KeyGate:
    """ASGI middleware that answers 401 before anything is read or parsed."""

    def __init__(self, app: ASGIApp, *, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = None
        if scope["type"] == "http" and not scope.get("admin"):
            refusal = self._keys.refusal(scope["path"], presented(Headers(scope=scope)))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal.response(scope["request_id"])(scope, receive, send)


def presented(headers: Headers) -> str | None:
    """The key that a request carries, None without one."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get("x-api-key")


def _digest_of(key: str) -> bytes:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError("a key must be printable ASCII without spaces, and not empty")
    return hashlib.sha256(key.encode()).digest()


def _among(digest: bytes, known: tuple[bytes, ...]) -> bool:
    """Looks at every key, so that the time does not tell which one matched."""
    found = False
    for each in known:
        found |= hmac.compare_digest(digest, each)
    return found
